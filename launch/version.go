package launch

import (
	"fmt"
	"regexp"
	"strconv"

	"k8s.io/apimachinery/pkg/version"
)

// Server is the version of an API server, as far as it decides which fields it knows.
type Server struct{ Major, Minor int }

// The first versions that know a field without a feature gate.
var (
	knowsFailurePolicy = Server{1, 26} // Job: podFailurePolicy
	knowsReplacement   = Server{1, 29} // Job: podReplacementPolicy
	knowsAppArmor      = Server{1, 30} // pod: appArmorProfile; an annotation before
)

// ParseServer reads what the API server says of itself. Hosted ones write a minor version such as "31+".
func ParseServer(v version.Info) (Server, error) {
	major, err := strconv.Atoi(v.Major)
	minor, merr := strconv.Atoi(digits.FindString(v.Minor))
	if err != nil || merr != nil {
		return Server{}, fmt.Errorf("read version of the API server: %q.%q is none", v.Major, v.Minor)
	}
	return Server{major, minor}, nil
}

var digits = regexp.MustCompile(`^[0-9]+`)

func (s Server) knows(since Server) bool {
	return s.Major > since.Major || s.Major == since.Major && s.Minor >= since.Minor
}

func (s Server) String() string { return fmt.Sprintf("%d.%d", s.Major, s.Minor) }
