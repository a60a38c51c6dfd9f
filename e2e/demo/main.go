// Command demo shows a log that outlives its pod, on the kind cluster: `make demo` runs it with what it needs.
//
// It owns the namespaces epilogue-demo and epilogue-demo-jobs, and keeps them for looking around; `make demo-clean`
// removes them. It exits with 1 unless the archive holds, byte for byte, what the container wrote.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

const (
	namespace = "epilogue-demo"
	limit     = 5 * time.Minute // for all of it
)

var errDiffers = errors.New("the archive does not hold what the container wrote")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch {
	case len(args) == 0:
		return demo(ctx)
	case len(args) == 1 && args[0] == "clean":
		return clean(ctx)
	default:
		return fmt.Errorf("got arguments %q, want none, or \"clean\"", args)
	}
}

// clean removes the namespaces and waits until they are gone.
func clean(ctx context.Context) error {
	path := os.Getenv("KUBECONFIG")
	if _, err := os.Stat(path); err != nil {
		fmt.Printf("There is no cluster (no kubeconfig at %q), so nothing of the demo is left.\n", path)
		return nil
	}
	client, err := stage.Tools{Kubeconfig: path}.Client()
	if err != nil {
		return err
	}
	return remove(ctx, client)
}

func remove(ctx context.Context, client kubernetes.Interface) error {
	if err := stage.Remove(ctx, client, namespace); err != nil {
		return err
	}
	fmt.Println("Waiting for the namespaces to go ...")
	if err := stage.AwaitRemoved(ctx, client, namespace); err != nil {
		return err
	}
	fmt.Println("Everything of the demo is gone. The cluster stays: make cluster-delete removes that.")
	return nil
}
