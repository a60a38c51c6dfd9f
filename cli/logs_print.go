package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// print writes the lines, and then what is to be said about them.
func (l *logging) print(ctx context.Context, o origin) error {
	out := &logOut{logging: l, lines: show.NewLines(l.Out, l.style)}
	answer, err := out.all(ctx, o)
	if closing := out.lines.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if l.follow {
		answer = verdicts(ctx, o, l.query, answer)
	}
	if len(answer.Logs) == 0 {
		return l.nothing(ctx, o)
	}
	for i := range answer.Logs {
		if text := remark(&answer.Logs[i]); text != "" {
			l.warn("%s: %s", show.Name(&answer.Logs[i].Instance), text)
		}
	}
	if out.damaged {
		return errToldDamage
	}
	return nil
}

// verdicts are known of a log that was followed only once it has ended.
func verdicts(ctx context.Context, o origin, q archive.Query, answer *archive.Answer) *archive.Answer {
	if !slices.ContainsFunc(answer.Logs, func(s archive.LogStatus) bool { return s.Verdict == "" }) && len(answer.Logs) > 0 {
		return answer
	}
	none := int64(0)
	q.Follow, q.Tail, q.After = false, &none, nil
	now, err := o.Read(ctx, q)
	if err != nil {
		return answer // the lines are there, and what is not known is not said
	}
	for _, err := range now.Entries {
		if err != nil {
			return answer
		}
	}
	return now
}

// remark says of a log that is not whole what is missing.
func remark(s *archive.LogStatus) string {
	reason := s.Reason
	switch s.Verdict {
	case archive.Complete:
		return ""
	case "":
		if reason != "" {
			return "it has not started yet: " + reason
		}
		return ""
	case archive.Empty:
		return "it ran and wrote nothing"
	case archive.Seamed:
		return "it was rotated while it was read: " + reason
	case archive.Partial:
		return fmt.Sprintf("lines are missing, or may be: %s; `kubectl epilogue describe pod/%s` lists the gaps", reason, s.Pod)
	case archive.Lost:
		return "the log is lost: " + reason
	default:
		return "it never started: " + reason
	}
}

// nothing says why there is no log: the flags leave none.
func (l *logging) nothing(ctx context.Context, o origin) error {
	pods, err := podsOf(ctx, o, l.query.Target)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range pods {
		for i := range m.Instances {
			if name := show.Name(&m.Instances[i].Instance); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no container yet: %w", l.query.Target, archive.ErrNotFound)
	}
	return fmt.Errorf("--container, --previous and --attempt leave none of %s: %w", strings.Join(names, ", "), archive.ErrNotFound)
}

// logOut is where lines go.
type logOut struct {
	*logging
	lines   *show.Lines
	last    *archive.Instance
	damaged bool
}

// all returns all lines. Where lines are left out here, and the last ones of the rest are asked for, they are looked
// for here too, before those that come are followed.
func (l *logOut) all(ctx context.Context, o origin) (*archive.Answer, error) {
	if l.drop == nil || l.query.Tail == nil {
		answer, err := o.Read(ctx, l.query)
		if err != nil {
			return nil, err
		}
		return answer, l.each(answer, l.line)
	}
	q := l.query
	q.Follow, q.Tail = false, nil
	answer, err := o.Read(ctx, q)
	if err != nil {
		return nil, err
	}
	tails := &tails{most: int(l.tail), logs: map[archive.LogID]*tailOf{}}
	if err := l.each(answer, tails.add); err != nil {
		return nil, err
	}
	if err := tails.each(l.line); err != nil || !l.follow {
		return answer, err
	}
	q.Follow, q.After = true, tails.after()
	if answer, err = o.Read(ctx, q); err != nil {
		return nil, err
	}
	return answer, l.each(answer, l.line)
}

// each passes on the lines that are not left out. Damage is told, and what is behind it comes all the same.
func (l *logOut) each(answer *archive.Answer, use func(*archive.Entry) error) error {
	for e, err := range answer.Entries {
		var damage *archive.DamageError
		switch {
		case errors.As(err, &damage):
			l.damaged = true
			l.warn("warning: %v", err)
		case err != nil:
			return err
		case l.drop != nil && l.drop.Match(e.Text):
		default:
			if err := use(&e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *logOut) line(e *archive.Entry) error {
	if l.last == nil || l.last.ID() != e.Instance.ID() {
		if err := l.begin(e.Instance); err != nil {
			return err
		}
	}
	return l.lines.Line(e)
}

// begin tells a person that another log's lines begin.
func (l *logOut) begin(i *archive.Instance) error {
	first := l.last == nil
	l.last = i
	if first || !l.style.Terminal || l.prefix || l.form != show.FormText {
		return nil
	}
	if err := l.lines.Flush(); err != nil {
		return err
	}
	l.warn("==> %s <==", show.Name(i))
	return nil
}
