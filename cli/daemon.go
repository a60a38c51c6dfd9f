package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/epilogue-dev/epilogue/cli/remote"
)

// daemonFlags say where the daemon is and who asks it.
type daemonFlags struct {
	namespace, name, url string
	account              string // service account whose token is asked for; "": the kubeconfig's own credentials
	audience             string
	own                  bool // the kubeconfig's own credentials may be sent
}

func (d *daemonFlags) add(f *pflag.FlagSet) {
	f.StringVar(&d.namespace, "daemon-namespace", "", "Namespace of the daemon, of which you vouch that nobody else may create pods there; without it the daemon is looked for by its ClusterRoleBinding, and never in the namespace of the Jobs. EPILOGUE_DAEMON_NAMESPACE in the environment says the same")
	f.StringVar(&d.name, "daemon-name", "epilogue", "Value of the label app.kubernetes.io/name that the daemon's pods carry")
	f.StringVar(&d.url, "daemon-url", "", "Address of the daemon's API, such as https://epilogue.example.com; without it a port is forwarded to one of its pods")
	f.StringVar(&d.account, "service-account", "", "Ask the daemon with a token of this service account of the namespace: for who has a client certificate, which the daemon cannot see, and no token")
	f.StringVar(&d.audience, "daemon-audience", "epilogue", "Audience of the tokens that are asked for, as in the daemon's setting api-audience")
	f.BoolVar(&d.own, "own-token", false, "Send the daemon the kubeconfig's own token, which opens the API server, too, where no token for the daemon alone can be had. EPILOGUE_OWN_TOKEN=true in the environment says the same")
}

// environment fills in what no flag says, so that it need not be typed with each command.
func (d *daemonFlags) environment(lookup func(string) (string, bool)) error {
	if text, ok := lookup("EPILOGUE_DAEMON_NAMESPACE"); ok && d.namespace == "" {
		d.namespace = text
	}
	text, ok := lookup("EPILOGUE_OWN_TOKEN")
	if !ok || text == "" || d.own {
		return nil
	}
	own, err := strconv.ParseBool(text)
	if err != nil {
		return wrongUse("EPILOGUE_OWN_TOKEN is %q, want true or false", text)
	}
	d.own = own
	return nil
}

// remote returns the daemon's API. Nothing is asked of it yet.
func (p *program) remote() (*remote.Client, error) {
	if p.api != nil {
		return p.api, nil
	}
	cfg, err := p.restConfig()
	if err != nil {
		return nil, fmt.Errorf("%w; %w", err, errNoStore)
	}
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	namespace, err := p.namespace()
	if err != nil {
		return nil, err
	}
	auth := p.auth(cfg)
	if err := p.daemon.environment(p.lookup); err != nil {
		return nil, err
	}
	cluster := &remote.Cluster{Client: client, REST: cfg, Daemon: p.daemon.namespace, Jobs: namespace, Name: p.daemon.name}
	dial := func(ctx context.Context) (*remote.Line, error) {
		wrap := func(rt http.RoundTripper) (http.RoundTripper, error) { return auth(ctx, rt) }
		if p.daemon.url != "" {
			return remote.Direct(p.daemon.url, wrap)
		}
		cluster.Auth = wrap
		return cluster.Dial(ctx)
	}
	return remote.New(remote.Config{Dial: dial, Warn: func(err error) { p.warn("asking again: %v", err) }}), nil
}

// auth puts on requests what the daemon knows the caller by: a token. It cannot see a client certificate, which ends at
// the API server. A token for the daemon's audience is of no use to anybody else; the kubeconfig's own opens the API
// server, and goes only where the caller says so: by --own-token, or by naming the token himself.
func (p *program) auth(cfg *rest.Config) func(context.Context, http.RoundTripper) (http.RoundTripper, error) {
	return func(ctx context.Context, rt http.RoundTripper) (http.RoundTripper, error) {
		token, err := p.audienceToken(ctx)
		switch {
		case err != nil:
			return nil, err
		case token != "":
			return transport.NewBearerAuthRoundTripper(token, rt), nil
		case p.daemon.own || p.namedToken():
			return rest.HTTPWrappersForConfig(withoutImpersonation(cfg), rt)
		case p.hasToken() || cfg.Username != "":
			return nil, &useError{errOwnToken}
		default:
			return rt, nil // there is nothing to send, and the daemon's refusal says what to do
		}
	}
}

var errOwnToken = errors.New("the daemon can be asked only with your kubeconfig's own token, with which whoever gets it may do in the cluster what you may: " +
	"give --service-account NAME for a token that is good for the daemon alone, or --own-token to send yours")

// namedToken: the caller has given --token, and so decided himself what is sent.
func (p *program) namedToken() bool { return p.kube.BearerToken != nil && *p.kube.BearerToken != "" }

// audienceToken returns a token for the daemon alone: of the account that is named, or else of the caller himself where
// he is one and may ask for it. "": he is none, or may not.
func (p *program) audienceToken(ctx context.Context) (string, error) {
	if p.daemon.account != "" {
		namespace, err := p.namespace()
		if err != nil {
			return "", err
		}
		return p.tokenOf(ctx, namespace, p.daemon.account)
	}
	if p.daemon.own || p.namedToken() {
		return "", nil
	}
	client, err := p.client()
	if err != nil {
		return "", err
	}
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", nil // an API server before 1.28 does not tell
	}
	who, isAccount := strings.CutPrefix(self.Status.UserInfo.Username, "system:serviceaccount:")
	namespace, account, both := strings.Cut(who, ":")
	if !isAccount || !both {
		return "", nil // a person
	}
	token, err := p.tokenOf(ctx, namespace, account)
	if apierrors.IsForbidden(err) {
		return "", nil
	}
	return token, err
}

// withoutImpersonation: --as is for the API server, and the daemon would not know it.
func withoutImpersonation(cfg *rest.Config) *rest.Config {
	own := rest.CopyConfig(cfg)
	own.Impersonate = rest.ImpersonationConfig{}
	return own
}

// tokenTime is how long a token is good. A follow that lasts longer asks for another one when it is broken.
const tokenTime = int64(3600)

func (p *program) tokenOf(ctx context.Context, namespace, account string) (string, error) {
	client, err := p.client()
	if err != nil {
		return "", err
	}
	seconds := tokenTime
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{p.daemon.audience}, ExpirationSeconds: &seconds,
	}}
	answer, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get a token of service account %s/%s: %w", namespace, account, err)
	}
	return answer.Status.Token, nil
}

// explained adds to an error what only this program knows.
func (p *program) explained(err error) error {
	switch {
	case errors.Is(err, remote.ErrNoDaemon):
		return fmt.Errorf("%w; `kubectl epilogue doctor` looks for the cause, and --archive s3://bucket/prefix does without a daemon", err)
	case apierrors.IsUnauthorized(err) && !p.hasToken():
		return fmt.Errorf("%w; your kubeconfig has no token, and a client certificate ends at the API server: give --service-account NAME, or --token \"$(kubectl create token NAME)\"", err)
	case errors.Is(err, remote.ErrOneNamespace):
		return &useError{err}
	default:
		return err
	}
}

func (p *program) hasToken() bool {
	cfg, err := p.restConfig()
	return err == nil && (cfg.BearerToken != "" || cfg.BearerTokenFile != "" || cfg.ExecProvider != nil || cfg.AuthProvider != nil)
}
