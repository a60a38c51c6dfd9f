// Command capruntime is an OCI runtime that asks runc for no capability this machine does not have.
//
// `docker run --privileged` and `docker exec --privileged`, both of which kind uses, name every capability the engine
// knows. Inside a sandbox whose bounding set is short of one, runc then fails with "unable to apply caps". capruntime
// takes the missing ones out of the bundle's config.json and of exec's process file, then becomes runc: it stays in no
// process tree and keeps no state. up.sh names it as the engine's runtime only where the bounding set is short.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// names lists the capabilities by their number, as linux/capability.h has them.
var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
	SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
	SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "capruntime:", err)
		os.Exit(1)
	}
}

// run returns only with an error: on success the process has become runc.
func run(args []string) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	held, err := boundingSet(string(status))
	if err != nil {
		return err
	}
	if dir := flagValue(args, "--bundle", "-b"); dir != "" {
		err = edit(filepath.Join(dir, "config.json"), held, "process")
	} else if file := flagValue(args, "--process", "-p"); file != "" {
		err = edit(file, held)
	}
	if err != nil {
		return err
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, args, os.Environ())
}

// boundingSet returns the names ("CAP_KILL") of the capabilities in the CapBnd line of a /proc/PID/status.
func boundingSet(status string) (map[string]bool, error) {
	_, rest, _ := strings.Cut(status, "CapBnd:")
	line, _, _ := strings.Cut(rest, "\n")
	bits, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil {
		return nil, fmt.Errorf("parse CapBnd of /proc/self/status: %w", err)
	}
	held := map[string]bool{}
	for n, name := range names {
		held["CAP_"+name] = bits&(1<<n) != 0
	}
	return held, nil
}

// flagValue returns the value of a flag given as "--flag value" or "--flag=value", "" if there is none.
func flagValue(args []string, long, short string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, long+"="); ok {
			return value
		}
		if (arg == long || arg == short) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// edit rewrites a JSON file so that the capabilities under path hold only names in held. A file without any is left as
// it is. Numbers keep their text: a uint64 of the spec does not fit a float64.
func edit(file string, held map[string]bool, path ...string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return fmt.Errorf("parse %s: %w", file, err)
	}
	process := doc
	for _, key := range path {
		process, _ = process[key].(map[string]any)
	}
	sets, ok := process["capabilities"].(map[string]any)
	if !ok {
		return nil
	}
	for kind, list := range sets {
		sets[kind] = keep(list, held)
	}
	edited, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return os.WriteFile(file, edited, 0o600)
}

// keep returns the names of list that are in held.
func keep(list any, held map[string]bool) []any {
	kept := []any{}
	asked, _ := list.([]any)
	for _, name := range asked {
		if text, ok := name.(string); ok && held[text] {
			kept = append(kept, name)
		}
	}
	return kept
}
