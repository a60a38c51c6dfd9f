//go:build integration

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

func timeOf(ns int64) time.Time { return time.Unix(0, ns) }

// base is the node's time at which scripts begin to write.
var base = time.Now().Truncate(time.Second)

// at gives the node's time d after base.
func at(d time.Duration) time.Time { return base.Add(d) }

// write writes lines from..to-1, a millisecond apart.
func write(c *kubelet.Instance, from, to int) {
	for n := from; n < to; n++ {
		c.Write(at(time.Duration(n)*time.Millisecond), fmt.Sprintf("line %d", n))
	}
}

// TestFaultNone runs one Job to its end over each kind of store.
func TestFaultNone(t *testing.T) {
	for name, open := range map[string]func(*testing.T) archive.Store{
		"memory": func(*testing.T) archive.Store { return nil },
		"dir": func(t *testing.T) archive.Store {
			s, err := dir.Open(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"s3": openGateway,
	} {
		t.Run(name, func(t *testing.T) {
			r, p, c := started(t, setting{store: open(t)})
			write(c, 0, 1000)
			c.Exit(0)
			r.complete(p, c)
		})
	}
}

func openGateway(t *testing.T) archive.Store {
	g := gateway.Start(t)
	g.Setenv()
	s, err := s3.Open(t.Context(), s3.Config{Bucket: g.Bucket, Region: g.Region, Endpoint: g.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
