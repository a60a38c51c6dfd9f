package main

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/pause"
)

// identify finds out which cluster this is, before anything is taken over, written or deleted: by the UID of the
// namespace kube-system, which every cluster has and none has twice. Where the API server does not answer there is
// nothing else to do either, so it waits. Without the right to look the daemon works as if its prefix were its own.
func (p *parts) identify(ctx context.Context) {
	const limit, longest = 10 * time.Second, 10 * time.Second
	again := pause.Backoff{First: time.Second, Last: longest, Even: true}
	for {
		limited, cancel := context.WithTimeout(ctx, limit)
		system, err := p.client.CoreV1().Namespaces().Get(limited, metav1.NamespaceSystem, metav1.GetOptions{})
		cancel()
		switch {
		case err == nil:
			p.spool.BelongTo(string(system.UID))
			p.log.Info("the cluster is known", "cluster", system.UID)
			return
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
			p.log.Warn("the cluster is not known: no other cluster may keep its logs under the same prefix", "err", err)
			return
		}
		p.log.Warn("look which cluster this is; tried again", "err", err)
		if again.Wait(ctx) != nil {
			return
		}
	}
}
