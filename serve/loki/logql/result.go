package logql

// Result is the answer to a query: Streams, Matrix, Vector or Scalar.
type Result interface{ result() }

// Streams are the lines of a log query, grouped and sorted by labels; in each the lines are in the direction asked for.
type Streams []LogStream

// LogStream is the lines of one set of labels.
type LogStream struct {
	Labels  Labels // with Params.Categorize those of the stream only, else all
	Entries []LogEntry
}

// LogEntry is one line of an answer.
type LogEntry struct {
	Time int64 // ns since 1970
	Line string
	// With Params.Categorize: the structured metadata, and what was parsed out of the line. Else empty.
	Meta, Parsed Labels
}

// Matrix is the samples of a metric query over a range, sorted by labels. A series without any sample is not there.
type Matrix []Series

// Series is the samples of one set of labels, oldest first.
type Series struct {
	Labels Labels
	Points []Point
}

// Point is a value at a time.
type Point struct {
	Time  int64 // ns since 1970
	Value float64
}

// Vector is the samples of a metric query at one moment, sorted by labels.
type Vector []Sample

// Sample is a value of one set of labels.
type Sample struct {
	Labels Labels
	Point
}

// Scalar is the value of a query that has no labels at all, as 1 + 1.
type Scalar Point

func (Streams) result() {}
func (Matrix) result()  {}
func (Vector) result()  {}
func (Scalar) result()  {}
