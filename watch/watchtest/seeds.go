package watchtest

import (
	"os"
	"strconv"
	"testing"
)

// Seeds returns the first and the last schedule of a model to play: so many of them, or what the environment names.
func Seeds(t *testing.T, count uint64) (first, last uint64) {
	number := func(name string, otherwise uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s %q is not a number", name, text)
		}
		return n
	}
	if seed := number("EPILOGUE_SEED", 0); seed > 0 {
		return seed, seed
	}
	return 1, number("EPILOGUE_MODEL_SEEDS", count/Fewer)
}
