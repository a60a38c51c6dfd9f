package logql

import (
	"bytes"
	"strings"
)

// needle is a text to find.
type needle struct {
	text []byte // with fold: without upper case
	fold bool   // ASCII letters match in both cases
	rare int    // the place of the byte that is looked for first
}

// frequent are the bytes that logs have most of, the most frequent first.
const frequent = " eatoinsr0lcd1mu2p-.h3g4f5b6789:/vywxkj"

func newNeedle(text string, fold bool) needle {
	if fold {
		text = strings.ToLower(text)
	}
	n := needle{text: []byte(text), fold: fold}
	best := -1
	for i, c := range n.text {
		rank := strings.IndexByte(frequent, c)
		if rank < 0 {
			rank = len(frequent)
		}
		if rank > best {
			best, n.rare = rank, i
		}
	}
	return n
}

// index gives the offset of the first place, -1 where there is none.
func (n *needle) index(text []byte) int {
	switch {
	case len(text) < len(n.text):
		return -1
	case len(n.text) == 0:
		return 0
	case n.fold:
		return n.indexFold(text)
	}
	// Only where the letter can stand with the needle around it.
	within := text[n.rare : len(text)-len(n.text)+n.rare+1]
	c := n.text[n.rare]
	for at, misses := 0, 0; ; at++ {
		i := bytes.IndexByte(within[at:], c)
		if i < 0 {
			return -1
		}
		at += i
		if bytes.Equal(text[at:at+len(n.text)], n.text) {
			return at
		}
		if misses++; misses > 4+at>>6 { // not rare in this text
			if i = bytes.Index(text[at+1:], n.text); i >= 0 {
				return at + 1 + i
			}
			return -1
		}
	}
}

func (n *needle) indexFold(text []byte) int {
	low := n.text[n.rare]
	up := upper(low)
	within := text[n.rare : len(text)-len(n.text)+n.rare+1]
	nextLow, nextUp := -1, -1
	if up == low {
		nextUp = len(within)
	}
	for at := 0; ; at++ {
		nextLow = nextByte(within, low, at, nextLow)
		nextUp = nextByte(within, up, at, nextUp)
		if at = min(nextLow, nextUp); at >= len(within) {
			return -1
		}
		if equalFold(text[at:at+len(n.text)], n.text) {
			return at
		}
	}
}

// nextByte gives the place of c from at on, len(text) where there is none. known is the answer for an earlier at.
func nextByte(text []byte, c byte, at, known int) int {
	if known >= at {
		return known
	}
	if i := bytes.IndexByte(text[at:], c); i >= 0 {
		return at + i
	}
	return len(text)
}

// equalFold compares text of one length; low has no upper case.
func equalFold(text, low []byte) bool {
	for i, c := range text {
		if c != low[i] && c != upper(low[i]) {
			return false
		}
	}
	return true
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
