package serve

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// follow opens a follow of the log and returns when its first line is there.
func follow(b *testing.B, url string) *bufio.Reader {
	b.Helper()
	resp := open(b, url)
	body := bufio.NewReader(resp.Body)
	if _, err := body.ReadString('\n'); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %v", resp.Status, err)
	}
	return body
}

// BenchmarkFollowers has 200 followers of one log over HTTP: the time from a line's coming to the last follower's
// having it.
func BenchmarkFollowers(b *testing.B) {
	const followers = 200
	s := newShelfWith(b, Config{Namespace: "jobs", MaxStreamsOfUser: followers})
	s.draft(usualPod, "main")
	s.write(usualPod, "first")
	url := s.server().URL + logPath + "?follow=true"
	had := make(chan error, followers)
	for range followers {
		body := follow(b, url)
		go func() {
			for {
				_, err := body.ReadString('\n')
				if had <- err; err != nil {
					return
				}
			}
		}()
	}
	n := 0
	for b.Loop() {
		n++
		b.StopTimer()
		time.Sleep(patience) // lines that come sooner are sent together
		b.StartTimer()
		s.write(usualPod, fmt.Sprintf("line %d", n))
		for range followers {
			if err := <-had; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkFirstByte is the time from the request to the first of the last ten lines of a log of 64 MiB that is
// followed.
func BenchmarkFirstByte(b *testing.B) {
	s := newShelfWith(b, Config{Namespace: "jobs", MaxStreamsOfUser: 1 << 20, MaxStreams: 1 << 20})
	s.draft(usualPod, "main")
	line := noise(1<<10, 1)
	for range 64 << 10 {
		s.write(usualPod, line)
	}
	url := s.server().URL + logPath + "?follow=true&tailLines=10"
	for b.Loop() {
		resp := open(b, url)
		if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}
