package follow

import (
	"github.com/epilogue-dev/epilogue/archive"
)

// joiner puts held pieces together to lines again and cuts those as a lineReader cuts what is served, so that both can
// be compared however the pieces came to be: a line may have been held up to any byte when its stream broke.
type joiner struct {
	emit   func(piece archive.Line, index int) // the Text is good until it returns
	rest   archive.Line                        // what a line has no more pieces of so far; its Text is the joiner's own
	index  int                                 // of that piece
	inside bool                                // the line has no end so far
}

// take takes the next held piece. One that goes on with a line has its time.
func (j *joiner) take(piece archive.Line) {
	if j.inside && piece.Time != j.rest.Time {
		j.cut()
	}
	if !j.inside {
		if !piece.Partial && len(piece.Text) <= pieceBytes {
			j.emit(piece, 0)
			return
		}
		j.inside, j.index = true, 0
		j.rest = archive.Line{Time: piece.Time, Text: j.rest.Text[:0], Partial: true}
	}
	j.rest.Text = append(j.rest.Text, piece.Text...)
	text := j.rest.Text
	for len(text) > pieceBytes {
		j.emit(archive.Line{Time: j.rest.Time, Text: text[:pieceBytes], Partial: true}, j.index)
		j.index++
		text = text[pieceBytes:]
	}
	j.rest.Text = append(j.rest.Text[:0], text...)
	if !piece.Partial {
		j.emit(archive.Line{Time: j.rest.Time, Text: j.rest.Text}, j.index)
		j.inside = false
	}
}

// cut ends a line that does not go on.
func (j *joiner) cut() {
	if j.inside && len(j.rest.Text) > 0 {
		j.emit(j.rest, j.index)
	}
	j.inside = false
}
