package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// steps are what the program can do.
var steps = map[string]func(args []string, out *output) error{
	"lines": lines,
	"bar":   bar,
	"text":  text,
	"long":  long,
	"sleep": sleep,
	"until": until,
	"once":  once,
	"oom":   oom,
	"exit":  exit,
}

func stepNames() []string { return slices.Sorted(maps.Keys(steps)) }

// numbered returns line i, counted from 1, of at least size bytes with its newline: its number and a filler that
// differs from line to line, so that neither a swap nor a wrong line goes unseen.
func numbered(b []byte, word string, i, size int) []byte {
	start := len(b)
	b = fmt.Appendf(b, "%s %09d ", word, i)
	for c := byte('a'); len(b)-start < size-1; c++ {
		b = append(b, 'a'+(c-'a'+byte(i))%26)
	}
	return append(b, '\n')
}

// lines -n 1000 -rate 0 -size 40 -from 1 -mixed=false -block 0: numbered lines, so many a second (0: as fast as it
// goes), of so many bytes each, or mixed up to it. With a block the bytes go out in writes of just so many, wherever
// that cuts a line, as of a program whose output is buffered.
func lines(args []string, out *output) error {
	f := flag.NewFlagSet("lines", flag.ContinueOnError)
	n, rate := f.Int("n", 1000, "lines"), f.Float64("rate", 0, "lines a second")
	size, from := f.Int("size", 40, "bytes of a line"), f.Int("from", 1, "number of the first line")
	mixed := f.Bool("mixed", false, "lines of any length from 15 bytes to the size")
	f.IntVar(&out.block, "block", 0, "bytes of each write")
	if err := f.Parse(args); err != nil {
		return err
	}
	_, err := out.pace(*n, *rate, nil, func(b []byte, i int) []byte {
		of := *size
		if *mixed {
			of = mixedSize(*from+i, *size)
		}
		return numbered(b, "line", *from+i, of)
	})
	return errors.Join(err, out.flush())
}

// mixedSize returns a length for line i, from 15 bytes to most. Its like in the tests says the same.
func mixedSize(i, most int) int { return 15 + i*7919%(most-14) }

// bar -n 1000 -rate 0 -size 40: as many steps of a progress bar, each of so many bytes up to its carriage return, and
// no newline.
func bar(args []string, out *output) error {
	f := flag.NewFlagSet("bar", flag.ContinueOnError)
	n, rate := f.Int("n", 1000, "steps"), f.Float64("rate", 0, "steps a second")
	size := f.Int("size", 40, "bytes of a step")
	if err := f.Parse(args); err != nil {
		return err
	}
	_, err := out.pace(*n, *rate, nil, func(b []byte, i int) []byte {
		b = numbered(b, "step", i+1, *size)
		b[len(b)-1] = '\r'
		return b
	})
	return err
}

// text WORD...: the words as they are, with \n and other escapes of a Go string, and nothing between or after them.
func text(args []string, out *output) error {
	for _, word := range args {
		plain, err := strconv.Unquote(`"` + word + `"`)
		if err != nil {
			return fmt.Errorf("%q is no text, want the inside of a Go string: %w", word, err)
		}
		if _, err := out.Write([]byte(plain)); err != nil {
			return err
		}
	}
	return nil
}

// long -bytes 1048576 -end=true: one line of so many bytes, which the runtime splits; with or without its newline.
func long(args []string, out *output) error {
	f := flag.NewFlagSet("long", flag.ContinueOnError)
	size, end := f.Int("bytes", 1<<20, "bytes of the line"), f.Bool("end", true, "end it with a newline")
	if err := f.Parse(args); err != nil {
		return err
	}
	line := bytes.Repeat([]byte("0123456789abcdef"), *size/16+1)[:*size]
	if *end {
		line = append(line, '\n')
	}
	_, err := out.Write(line)
	return err
}

func sleep(args []string, _ *output) error {
	d, err := time.ParseDuration(one(args))
	if err != nil {
		return err
	}
	time.Sleep(d)
	return nil
}

// until -rate 50 -last 200 -tick 5ms: numbered lines until SIGTERM comes, then as many last lines at the same rate. A
// longer tick makes fewer and longer writes, which cost the node less.
func until(args []string, out *output) error {
	f := flag.NewFlagSet("until", flag.ContinueOnError)
	rate, last := f.Float64("rate", 50, "lines a second"), f.Int("last", 0, "lines after the signal")
	f.DurationVar(&out.tick, "tick", 0, "pause between writes")
	if err := f.Parse(args); err != nil {
		return err
	}
	signals, stop := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		close(stop)
	}()
	written, err := out.pace(1<<30, *rate, stop, func(b []byte, i int) []byte { return numbered(b, "line", i+1, 40) })
	if err != nil {
		return err
	}
	_, err = out.pace(*last, *rate, nil, func(b []byte, i int) []byte { return numbered(b, "last", written+i+1, 40) })
	return err
}

// once PATH CODE: ends with CODE where PATH is not there yet, and makes it; the attempt after it goes on.
func once(args []string, _ *output) error {
	if len(args) != 2 {
		return fmt.Errorf("got %q, want a path and an exit code", args)
	}
	file, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return exit(args[1:], nil)
}

// oom takes memory until the kernel ends the program. The truth is told first.
func oom(_ []string, out *output) error {
	if err := out.tell(); err != nil {
		return err
	}
	var taken [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 1 << 10 {
			b[i] = 1 // a page that is not written takes no memory
		}
		taken = append(taken, b)
		if len(taken) > 1<<16 {
			return errors.New("64 GiB taken and still running, want a memory limit")
		}
	}
}

func exit(args []string, _ *output) error {
	code, err := strconv.Atoi(one(args))
	if err != nil || code < 0 || code > 255 {
		return fmt.Errorf("exit code is %q, want a number from 0 to 255", one(args))
	}
	if code == 0 {
		return nil
	}
	return exitCode(code)
}

func one(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
