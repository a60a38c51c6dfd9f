package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// progress shows how far the container and the archive are: on a terminal in one line that changes, elsewhere in lines.
type progress struct {
	stage    *stage.Stage
	metrics  string // URL of the daemon's metrics
	base     int64  // lines the daemon had read before
	terminal bool
}

func newProgress(s *stage.Stage, address string) *progress {
	stat, err := os.Stdout.Stat()
	p := &progress{stage: s, metrics: "http://" + address + "/metrics", terminal: err == nil && stat.Mode()&os.ModeCharDevice != 0}
	p.base, _ = p.read(context.Background()) // a display without its second number is still one
	return p
}

// run shows until the context ends.
func (p *progress) run(ctx context.Context, pod string) {
	every := 2 * time.Second
	if p.terminal {
		every = 500 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.show(ctx, pod)
		case <-ctx.Done():
			p.end()
			if p.terminal {
				fmt.Println()
			}
			return
		}
	}
}

func (p *progress) show(ctx context.Context, pod string) {
	written, err := p.written(ctx, pod)
	if err != nil {
		return // the pod is just starting or ending; the next tick shows more
	}
	read, err := p.read(ctx)
	if err != nil {
		return
	}
	p.line(written, min(read-p.base, lines))
}

// end shows the last state: what is still missing comes with the read that proves the end of the log.
func (p *progress) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if read, err := p.read(ctx); err == nil {
		p.line(lines, min(read-p.base, lines))
	}
}

func (p *progress) line(written, read int64) {
	const width = 30
	bar := strings.Repeat("#", int(written*width/lines))
	format := "   [%-*s] container wrote %7s lines, Epilogue has %7s\n"
	if p.terminal {
		format = "\r" + strings.TrimSuffix(format, "\n")
	}
	fmt.Printf(format, width, bar, count(written), count(read))
}

// written is the number of the newest line.
func (p *progress) written(ctx context.Context, pod string) (int64, error) {
	one := int64(1)
	b, err := p.stage.Client.CoreV1().Pods(p.stage.Jobs).GetLogs(pod, &corev1.PodLogOptions{TailLines: &one}).DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	return number(string(b))
}

// number reads the number of one of the sample's lines.
func number(line string) (int64, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return 0, fmt.Errorf("line %q has no number", line)
	}
	return strconv.ParseInt(fields[1], 10, 64)
}

// read is the number of lines that the daemon has taken over.
func (p *progress) read(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.metrics, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for rows := bufio.NewScanner(answer.Body); rows.Scan(); {
		if value, ok := strings.CutPrefix(rows.Text(), "epilogue_log_lines_total "); ok {
			n, err := strconv.ParseFloat(value, 64)
			return int64(n), err
		}
	}
	return 0, fmt.Errorf("no epilogue_log_lines_total at %s", p.metrics)
}
