package logql

import (
	"errors"
	"fmt"
)

// ErrLogInstant is a log query where only a metric query can be asked: at one moment.
var ErrLogInstant = errors.New("log queries are not supported as an instant query type, please change your query to a range query type")

// SyntaxError says what of a query is not understood, and where.
type SyntaxError struct {
	Line, Col int // from 1; Col counts characters
	Msg       string
	Query     string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

// EvalError is a query that is understood, and that the lines have no answer to.
type EvalError struct{ Msg string }

func (e *EvalError) Error() string { return e.Msg }

// CeilingError is a query that costs more than one may.
type CeilingError struct {
	What    string // "series", "steps", "bytes of lines", "bytes of memory"
	Most    int64
	Setting string // how to raise it; "" where it is fixed
}

func (e *CeilingError) Error() string {
	msg := fmt.Sprintf("the query needs more than %d %s, which is the most that one query may have", e.Most, e.What)
	if e.Setting != "" {
		msg += " (setting " + e.Setting + ")"
	}
	return msg + ": ask for less time, fewer labels or longer steps"
}

// BadQuery says that an error is the query's: 400. All others are of the source or the context.
func BadQuery(err error) bool {
	if errors.Is(err, ErrLogInstant) {
		return true
	}
	var syntax *SyntaxError
	var eval *EvalError
	var ceiling *CeilingError
	return errors.As(err, &syntax) || errors.As(err, &eval) || errors.As(err, &ceiling)
}
