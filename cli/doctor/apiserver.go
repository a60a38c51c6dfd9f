package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/rest"
)

// mostSkew is how far two clocks may be apart before people notice.
const mostSkew = 5 * time.Second

func (v *visit) apiServer(ctx context.Context) {
	info, err := v.Client.Discovery().ServerVersion()
	if err != nil {
		v.say(Bad, fmt.Sprintf("the API server does not answer: %v", err), "check --context and --kubeconfig, and that `kubectl version` works")
		return
	}
	v.good("API server %s answers", info.GitVersion)
	v.features(info.GitVersion)
	v.clock(ctx)
}

// features says what of the gate the API server itself can do.
func (v *visit) features(text string) {
	have, err := version.ParseGeneric(text)
	if err != nil {
		return
	}
	switch {
	case have.AtLeast(version.MustParseGeneric("1.36.0")):
		v.good("the API server has both kinds of admission policies that the gate can stand on")
	case have.AtLeast(version.MustParseGeneric("1.30.0")):
		v.say(Note, "the API server has validating admission policies, and mutating ones from 1.36 on",
			"nothing; the gate is put on a Job when the daemon first sees it, not at its creation")
	default:
		v.say(Note, "the API server has no admission policies, which came with 1.30",
			"nothing; set no ttlSecondsAfterFinished that is shorter than the sealing of a log takes")
	}
}

func (v *visit) clock(ctx context.Context) {
	skew, err := skew(ctx, v.REST, v.Now)
	switch {
	case err != nil:
		v.say(Note, fmt.Sprintf("the API server's clock is not known: %v", err), "nothing")
	case skew.Abs() > mostSkew:
		v.say(Warn, fmt.Sprintf("this machine's clock is %s %s the API server's", skew.Abs().Round(time.Second), aheadOf(skew)),
			"set the clocks by NTP; --since and ages are by this machine's clock, the times of lines by the nodes'")
	default:
		v.good("this machine's clock agrees with the API server's, within %s", mostSkew)
	}
}

func aheadOf(skew time.Duration) string {
	if skew > 0 {
		return "ahead of"
	}
	return "behind"
}

// skew is how far this clock is ahead of the API server's, by the Date of an answer, which has whole seconds.
func skew(ctx context.Context, cfg *rest.Config, now func() time.Time) (time.Duration, error) {
	start := now()
	resp, err := get(ctx, cfg, "/version")
	if err != nil {
		return 0, err
	}
	took := now().Sub(start)
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	resp.Body.Close()
	there, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("its answer has the Date %q", resp.Header.Get("Date"))
	}
	const half = 500 * time.Millisecond // of a second that was cut off
	return start.Add(took / 2).Sub(there.Add(half)), nil
}

// get asks the API server for a path, whatever it answers.
func get(ctx context.Context, cfg *rest.Config, path string) (*http.Response, error) {
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base.String(), "/")+path, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}
