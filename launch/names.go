package launch

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/mark"
)

// Kind says what a Job does for its workload.
type Kind string

// The kinds of Jobs.
const (
	Runner  Kind = mark.Runner
	Builder Kind = mark.Builder
)

// Annotations of launched Jobs. They hold what the queue must know, because the cache keeps nothing else of a template.
const (
	// When it was asked for, in the fixed width of queueTime: its place in the queue.
	queuedAt    = "epilogue.dev/queued-at"
	preparedAt  = "epilogue.dev/prepared"    // "true": what the pod needs is there, the Job may start
	environment = "epilogue.dev/environment" // name of the Secret with the environment; without one there is none
	contents    = "epilogue.dev/contents"    // name of the ConfigMap with the Dockerfile; without one there is none
	imageName   = "epilogue.dev/image"       // a runner's image, or what a builder pushes
	after       = "epilogue.dev/after"       // name of the builder that must complete first
	timeout     = "epilogue.dev/timeout"     // seconds that a pod may take
	cancelled   = "epilogue.dev/cancelled"   // why the Job is not wanted any more
)

// queueTime is RFC 3339 with all nine digits, so that texts sort as times do.
const queueTime = "2006-01-02T15:04:05.000000000Z"

func queueTimeOf(t time.Time) string { return t.UTC().Format(queueTime) }

// mainContainer is the container that runs the workload, as ZenML's own orchestrator calls it.
const mainContainer = "main"

// identity is what makes two requests the same one. The environment's values are not in it: a hash of them would stand
// in a name that everybody can read, and a short password could be guessed from it.
type identity struct {
	Workload  string
	Kind      Kind
	RequestID string
	Image     string
	Content   []string // command and arguments, or the Dockerfile
	Split     int      // where in Content the arguments begin
	Variables []string // names only, sorted
}

// jobName returns the name of the one Job for these requests. It is a label's value, too, with room for the pods'
// suffix.
func (i identity) jobName() string {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // a struct of texts
	}
	sum := sha256.Sum256(text)
	code := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
	short := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(i.Workload), "-"), "-")
	short = strings.TrimRight(short[:min(len(short), 8)], "-")
	if short == "" {
		return string(i.Kind) + "-" + code
	}
	return string(i.Kind) + "-" + short + "-" + code
}

var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)
