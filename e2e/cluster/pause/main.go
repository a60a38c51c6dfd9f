// Command pause is the program of a pod's sandbox: it holds the pod's namespaces open until it is told to end. It
// stands in for registry.k8s.io/pause where no registry can be reached.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
