// Package pages lists the Jobs and the pods of a namespace page by page: no answer of the API server holds more than
// 500. It keeps nothing. What changes between two pages is listed as it was at the first one.
package pages

import (
	"context"
	"errors"
	"iter"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"
)

// Jobs are those of the namespace that the options pick. An error comes last.
func Jobs(ctx context.Context, client kubernetes.Interface, namespace string, options metav1.ListOptions) iter.Seq2[*batchv1.Job, error] {
	return each[*batchv1.Job](ctx, options, func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return client.BatchV1().Jobs(namespace).List(ctx, options)
	})
}

// Pods are those of the namespace that the options pick. An error comes last.
func Pods(ctx context.Context, client kubernetes.Interface, namespace string, options metav1.ListOptions) iter.Seq2[*corev1.Pod, error] {
	return each[*corev1.Pod](ctx, options, func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().Pods(namespace).List(ctx, options)
	})
}

var errLeft = errors.New("who ranges over it has left")

func each[T runtime.Object](ctx context.Context, options metav1.ListOptions, list pager.ListPageFunc) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := pager.New(list).EachListItem(ctx, options, func(o runtime.Object) error {
			if !yield(o.(T), nil) {
				return errLeft
			}
			return nil
		})
		if err != nil && !errors.Is(err, errLeft) {
			var none T
			yield(none, err)
		}
	}
}
