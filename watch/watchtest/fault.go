package watchtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// SaysFault describes a fault in one line.
func SaysFault(f *kubelet.Fault) string {
	return fmt.Sprintf("cut %t, text %q, hang %t, status %d, speed %d after %d lines or %d bytes, %d times",
		f.Cut, f.Text, f.Hang, f.Status, f.BytesPerSecond, f.AfterLines, f.AfterBytes, f.Times)
}

// RandomFault draws a fault of the node: an answer that is cut, hangs, fails or lies.
func RandomFault(random *rand.Rand) *kubelet.Fault {
	f := &kubelet.Fault{Optional: true, Times: 1 + random.IntN(3)}
	if random.IntN(2) == 0 {
		f.On = kubelet.OnFollow
	}
	switch random.IntN(3) {
	case 0:
		f.AfterLines = random.IntN(50)
	case 1:
		f.AfterBytes = random.Int64N(5000)
	}
	switch random.IntN(5) {
	case 0:
		f.Cut = true
	case 1:
		f.Text = "failed to create fsnotify watcher: too many open files"
	case 2:
		f.Hang, f.On = true, kubelet.OnFollow
	case 3:
		f.Status, f.Text = 500, "no"
	case 4:
		f.BytesPerSecond = 1 << (10 + random.IntN(8))
	}
	return f
}
