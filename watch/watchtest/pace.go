package watchtest

import (
	"time"
)

const (
	// UsualPace is the kubelet's default time between two looks at the sizes of logs.
	UsualPace = 10 * time.Second
	// LeastPace is the least that can be set.
	LeastPace = 3 * time.Second
	// ReadFirst is how long after a log's first line its first file stays, so that readers have been there.
	ReadFirst = 6 * time.Second
)
