package logql

import (
	"slices"
	"strconv"
	"strings"
)

// Label is the name and the value of one label.
type Label struct{ Name, Value string }

// Labels are sorted by name; no name stands twice.
type Labels []Label

// NewLabels sorts the pairs of a map.
func NewLabels(pairs map[string]string) Labels {
	l := make(Labels, 0, len(pairs))
	for name, value := range pairs {
		l = append(l, Label{name, value})
	}
	l.sort()
	return l
}

func (l Labels) sort() {
	slices.SortFunc(l, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

// Get gives the value of a label; ok is false where there is none of the name.
func (l Labels) Get(name string) (value string, ok bool) {
	for i := range l {
		if l[i].Name == name {
			return l[i].Value, true
		}
	}
	return "", false
}

// Map gives the labels for an answer in JSON.
func (l Labels) Map() map[string]string {
	m := make(map[string]string, len(l))
	for _, x := range l {
		m[x.Name] = x.Value
	}
	return m
}

// String gives the labels as a selector: {a="b", c="d"}.
func (l Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, x := range l {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(x.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(x.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// compare orders labels by name, value, and length, as answers are ordered.
func (l Labels) compare(other Labels) int {
	return slices.CompareFunc(l, other, func(a, b Label) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
}

// appendKey adds what tells these labels from all others.
func (l Labels) appendKey(key []byte) []byte {
	for i := range l {
		key = l[i].appendKey(key)
	}
	return key
}

// appendKey adds the lengths first: neither names nor values have a byte that cannot occur.
func (x *Label) appendKey(key []byte) []byte {
	key = strconv.AppendInt(key, int64(len(x.Name)), 36)
	key = append(key, ' ')
	key = strconv.AppendInt(key, int64(len(x.Value)), 36)
	key = append(key, ' ')
	key = append(key, x.Name...)
	return append(key, x.Value...)
}

// clone copies the strings too: they may lie in a line that goes away.
func (l Labels) clone() Labels {
	if len(l) == 0 {
		return nil
	}
	own := make(Labels, len(l))
	for i, x := range l {
		own[i] = Label{strings.Clone(x.Name), strings.Clone(x.Value)}
	}
	return own
}

// size is about what the labels take in memory.
func (l Labels) size() int64 {
	n := int64(len(l)) * 32
	for _, x := range l {
		n += int64(len(x.Name) + len(x.Value))
	}
	return n
}
