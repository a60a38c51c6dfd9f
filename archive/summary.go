package archive

// Summary is what the index says of the log as a whole.
type Summary struct {
	Version  string   `json:"version"`
	Instance Instance `json:"instance"`
	Lines    int64    `json:"lines"`
	Bytes    int64    `json:"bytes"`           // of the raw text, as `zstd -dc` gives it
	SHA256   string   `json:"sha256"`          // of the raw text, in hex
	First    int64    `json:"first,omitempty"` // earliest and latest time, ns since 1970; 0 without lines
	Last     int64    `json:"last,omitempty"`
	Gaps     []Gap    `json:"gaps,omitempty"`

	Rotations int64 `json:"rotations,omitempty"` // how often the log was seen to have been rotated, at least
}

// Span widens the summary's times to those of more lines; 0 is not known.
func (s *Summary) Span(low, high int64) {
	if low != 0 && (s.First == 0 || low < s.First) {
		s.First = low
	}
	if high != 0 && (s.Last == 0 || high > s.Last) {
		s.Last = high
	}
}

// Kept is a log as the store holds it.
type Kept struct {
	Summary
	Key  Key   // "" where there is no object
	Size int64 // bytes of the object
}

// Record returns what a manifest says of the log: its verdict and, where there is an object, what that is.
func (k *Kept) Record(i Instance) InstanceRecord {
	r := InstanceRecord{Instance: i, Gaps: k.Gaps, Seams: k.Rotations}
	r.Verdict, r.Reason = Judge(&k.Summary)
	if k.Key != "" {
		r.Log = &LogRecord{
			Key: k.Key, Size: k.Size, Lines: k.Lines, Bytes: k.Bytes, SHA256: k.SHA256,
			First: TimeOf(k.First), Last: TimeOf(k.Last),
		}
	}
	return r
}

// Summary is what a record says of its log.
func (r *InstanceRecord) Summary() Summary {
	s := Summary{Version: FormatVersion, Instance: r.Instance, Gaps: r.Gaps, Rotations: r.Seams}
	if r.Log != nil {
		s.Lines, s.Bytes, s.SHA256 = r.Log.Lines, r.Log.Bytes, r.Log.SHA256
		s.First, s.Last = Nanos(r.Log.First), Nanos(r.Log.Last)
	}
	return s
}

// StandsBefore reports whether what the store has is to stay where another life has ours: it is the same log with no
// more gaps, or has more lines of one of which ours has gaps.
func (k *Kept) StandsBefore(ours *Summary) bool {
	if k.SHA256 == ours.SHA256 && k.Lines == ours.Lines {
		return len(k.Gaps) <= len(ours.Gaps)
	}
	return k.Lines > ours.Lines && len(ours.Gaps) > 0
}
