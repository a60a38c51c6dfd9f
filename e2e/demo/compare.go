package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// served is what the log API still gave when the container had ended.
type served struct {
	lines  int64 // whole ones
	torn   bool  // before them stands the rest of a line that a rotation cut, as if it were a line
	sha256 string
	first  int64                // number of its first line
	stamps map[string]time.Time // of each line, by its text
}

// readServed reads it by kubectl, as a person would, and takes the time from before each line.
func readServed(ctx context.Context, s *stage.Stage, pod string) (*served, error) {
	out, err := s.Logs(ctx, pod, "--timestamps")
	if err != nil {
		return nil, err
	}
	v, sum := &served{stamps: map[string]time.Time{}}, sha256.New()
	for rows := bufio.NewScanner(strings.NewReader(out)); rows.Scan(); {
		stamp, text, ok := strings.Cut(rows.Text(), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if !ok || err != nil {
			return nil, fmt.Errorf("kubectl logs gave line %q, want a time before it", rows.Text())
		}
		fmt.Fprintln(sum, text)
		if v.lines == 0 {
			if !strings.HasPrefix(text, "line ") && !v.torn {
				v.torn = true
				continue
			}
			v.first, _ = number(text) // 0 where the line is none of ours
		}
		v.lines++
		v.stamps[text] = at
	}
	v.sha256 = fmt.Sprintf("%x", sum.Sum(nil))
	return v, nil
}

// compare shows both sides, and reports whether the archive holds exactly what the container wrote.
func compare(ctx context.Context, s *stage.Stage, truth stage.Truth, api *served, m *archive.Manifest) (bool, error) {
	r := m.Instances[0]
	if r.Log == nil {
		say("   nothing: verdict %s, %s", r.Verdict, r.Reason)
		return false, nil
	}
	got, err := s.Measured(ctx, r.Log.Key)
	if err != nil {
		return false, err
	}
	stamped, agree, err := stamps(ctx, s, r.Log.Key, api)
	if err != nil {
		return false, err
	}
	row := func(name, container, kubectl, kept string) {
		say("   %-14s %-20s %-28s %s", name, container, kubectl, kept)
	}
	row("", "container wrote", "kubectl logs, before the end", "archive, after it")
	row("lines", count(truth.Lines), count(api.lines), count(got.Lines))
	row("lost", "", count(truth.Lines-api.lines), count(truth.Lines-got.Lines))
	row("first line", "1", count(api.first), "1")
	row("with its time", "", count(api.lines), count(stamped))
	row("SHA-256", truth.SHA256[:16], api.sha256[:16], got.SHA256[:16])
	row("bytes", count(truth.Bytes), "", fmt.Sprintf("%s in %s", count(got.Bytes), count(r.Log.Size)))
	say("   Of %s lines that kubectl gave, %s have the very same time in the archive, to the nanosecond.", count(api.lines), count(agree))
	if api.torn {
		say("   Before them kubectl gave the rest of a line that the rotation had cut; the archive has that line whole.")
	}
	say("")
	brief(m)
	if err := byHand(ctx, s, r.Log); err != nil {
		return false, err
	}
	wholly := r.Verdict == archive.Complete && r.Seams == 0 || r.Verdict == archive.Seamed && r.Seams > 0
	return got == truth && wholly && stamped == truth.Lines && agree == api.lines, nil
}

// stamps counts the archive's lines that have a time, and those whose time is the one that the log API gave.
func stamps(ctx context.Context, s *stage.Stage, key archive.Key, api *served) (stamped, agree int64, err error) {
	codec, err := format.NewCodec()
	if err != nil {
		return 0, 0, err
	}
	err = archivetest.StoredLines(ctx, codec, s.Store, key, 0, func(l archive.Line) bool {
		if l.Time != 0 {
			stamped++
		}
		if at, ok := api.stamps[string(l.Text)]; ok && at.UnixNano() == l.Time {
			agree++
		}
		return true
	})
	return stamped, agree, err
}

// brief shows the manifest without what is long.
func brief(m *archive.Manifest) {
	r := m.Instances[0]
	say("   The manifest, in brief (%s):", m.Pod.ManifestKey())
	for _, row := range [][2]string{
		{"diagnosis", m.Diagnosis},
		{"pod", fmt.Sprintf("%s on %s, %s", m.Pod.Pod, m.Pod.Node, m.Pod.Phase)},
		{"instance", fmt.Sprintf("%s[%d], exit code %d", r.Container, r.Restart, *r.State.ExitCode)},
		{"verdict", string(r.Verdict) + " " + r.Reason},
		{"log", fmt.Sprintf("%s lines from %s to %s", count(r.Log.Lines), r.Log.First.Format(time.StampMicro), r.Log.Last.Format(time.StampMicro))},
		{"sha256", r.Log.SHA256},
		{"gaps", fmt.Sprint(len(r.Gaps))},
		{"events", fmt.Sprint(len(m.Events))},
	} {
		say("     %-10s %s", row[0], row[1])
	}
	say("")
}

// byHand prints how to read the log with no program of ours, and does it where the programs are installed.
func byHand(ctx context.Context, s *stage.Stage, log *archive.LogRecord) error {
	read := fmt.Sprintf("aws --endpoint-url http://127.0.0.1:7070 --region us-east-1 s3 cp s3://%s/%s/%s - | zstd -dc",
		stage.Bucket, stage.Prefix, log.Key)
	keys := fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s", stage.AccessKey, stage.SecretKey)
	say("   Read it by hand:\n     %s --kubeconfig %s -n %s port-forward service/s3 7070 &\n     %s\n     %s\n", s.Kubectl, s.Kubeconfig, namespace, keys, read)
	for _, program := range []string{"aws", "zstd"} {
		if err := exec.CommandContext(ctx, program, "--version").Run(); err != nil {
			say("   (not done here: %s is not installed)\n", program)
			return nil
		}
	}
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", strings.Replace(read, "http://127.0.0.1:7070", s.Endpoint, 1)+" | sha256sum")
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+stage.AccessKey, "AWS_SECRET_ACCESS_KEY="+stage.SecretKey)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("read the log by hand: %w: %s", err, said.String())
	}
	sum, _, _ := strings.Cut(string(out), " ")
	if sum != log.SHA256 {
		return fmt.Errorf("read by hand the log has SHA-256 %s, want %s", sum, log.SHA256)
	}
	say("   Done here, through sha256sum: %s, the same.\n", sum)
	return nil
}
