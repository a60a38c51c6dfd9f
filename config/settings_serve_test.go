package config

import "testing"

// An API that asks nobody who he is must not be reached from another machine.
func TestAPIAuthNoneIsForTheLoopback(t *testing.T) {
	for _, tt := range []struct {
		listen string
		ok     bool
	}{
		{"127.0.0.1:8000", true}, {"localhost:8000", true}, {"[::1]:8000", true}, {"127.1.2.3:1", true}, {"off", true},
		{":8000", false}, {"0.0.0.0:8000", false}, {"[::]:8000", false}, {"10.0.0.1:8000", false}, {"example.com:8000", false},
	} {
		c, err := load(t, input{env: with(with(enough(), "EPILOGUE_API_AUTH", "none"), "EPILOGUE_API_LISTEN", tt.listen)})
		if tt.ok {
			if err != nil || c.Serve.Auth != "none" {
				t.Errorf("%s: got %+v and %v, want it taken", tt.listen, c.Serve, err)
			}
			continue
		}
		shown := tt.listen
		wantLines(t, err, `EPILOGUE_API_AUTH: value "none": want kubernetes, or an address on the loopback such as 127.0.0.1:8000: `+
			`whoever reaches the address could read every log (EPILOGUE_API_LISTEN is "`+shown+`")`)
	}
}

func TestAPISettingsThatDoNotFit(t *testing.T) {
	for _, tt := range []struct{ env, value, want string }{
		{"EPILOGUE_API_TLS_CERT_FILE", "/tls/tls.crt", `EPILOGUE_API_TLS_CERT_FILE: value "/tls/tls.crt": want the file of its key in api-tls-key-file, too (api-tls-key-file is "")`},
		{"EPILOGUE_API_TLS_KEY_FILE", "/tls/tls.key", `EPILOGUE_API_TLS_KEY_FILE: value "/tls/tls.key": want the file of its certificate in api-tls-cert-file, too (api-tls-cert-file is "")`},
		{"EPILOGUE_API_LISTEN", ":9090", `EPILOGUE_API_LISTEN: value ":9090": want another address than metrics-listen (metrics-listen is ":9090")`},
		{"EPILOGUE_API_LISTEN", ":8080", `EPILOGUE_API_LISTEN: value ":8080": want another address than health-listen (health-listen is ":8080")`},
	} {
		_, err := load(t, input{env: with(enough(), tt.env, tt.value)})
		wantLines(t, err, tt.want)
	}
}
