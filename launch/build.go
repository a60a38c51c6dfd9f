package launch

import (
	"context"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Images says where a runner's image comes from.
type Images struct {
	Build    bool   // builders make it, and push it to Registry
	Registry string // host[:port][/path]
	Prebuilt string // without Build: the image of every runner; "": the one that each request names
}

// of returns the image that a request runs.
func (i Images) of(r Run) string {
	if !i.Build && i.Prebuilt != "" {
		return i.Prebuilt
	}
	return r.Image
}

// makes reports whether builders here make the image: its name is one in our registry, and nothing in it leads
// elsewhere.
func (i Images) makes(image string) bool {
	name, ok := strings.CutPrefix(image, i.Registry+"/")
	return i.Build && ok && repositoryTag.MatchString(name)
}

// Registry is where built images are. Safe for concurrent use.
type Registry interface {
	// Has reports whether the registry holds the image of this full name.
	Has(ctx context.Context, image string) (bool, error)
	// Ready makes sure that the image can be pushed, and returns the login for that: a Docker config.json, or nil where
	// the builder needs none of its own.
	Ready(ctx context.Context, image string) ([]byte, error)
}

// Build returns the full name of the image, with its registry, and the Job that builds it; a Ref without a Job where
// nothing has to be built: the image is there, or there is one for all.
func (l *Launcher) Build(ctx context.Context, b Build) (Ref, error) {
	if err := b.check(); err != nil {
		return l.count(Builder, "refused", Ref{}, err)
	}
	images := l.cfg.Images
	if !images.Build {
		if images.Prebuilt != "" {
			return l.count(Builder, "skipped", Ref{Image: images.Prebuilt}, nil)
		}
		return l.count(Builder, "refused", Ref{}, invalid("image_name: value %q: nothing is built here, and there is no image for all runners; "+
			"set build-runner-image or runner-image, or run the snapshot's own image", b.ImageName))
	}
	image := images.Registry + "/" + b.ImageName
	there, err := l.parts.Registry.Has(ctx, image)
	if err != nil {
		return l.count(Builder, "failed", Ref{}, err)
	}
	if there {
		l.parts.Log.Info("image is there already", "image", image)
		return l.count(Builder, "skipped", Ref{Image: image}, nil)
	}
	login, err := l.parts.Registry.Ready(ctx, image)
	if err != nil {
		return l.count(Builder, "failed", Ref{}, err)
	}
	server, err := l.serverVersion()
	if err != nil {
		return l.count(Builder, "failed", Ref{}, err)
	}
	return l.launch(ctx, l.builderDraft(b, image, login, server), func(job *batchv1.Job) error {
		if err := l.kube.putDockerfile(ctx, job, b.Dockerfile); err != nil || len(login) == 0 {
			return err
		}
		return l.kube.putLogin(ctx, job, login)
	})
}

// builderDraft has a Job make the image. A login stands in a Secret beside the Job, as an environment does.
func (l *Launcher) builderDraft(b Build, image string, login []byte, server Server) draft {
	name := b.identity().jobName()
	d := draft{
		identity: b.identity(), timeout: b.Timeout, template: l.cfg.Shape.BuilderTemplate,
		notes: map[string]string{imageName: image, contents: beside(name, "dockerfile")},
	}
	credentials := l.cfg.Shape.RegistrySecret
	if len(login) > 0 {
		credentials = beside(name, "login")
		d.notes[environment] = credentials
	}
	d.pod = l.cfg.Shape.builder(image, d.notes[contents], credentials, server)
	return d
}

// builderFor finds the workload's newest builder of an image, "" where there is none that matters: the image is there,
// or nobody here makes it. It asks the API server, for a run may come before the cache shows its build. Whoever may
// create Jobs can forge a builder that has failed, for an image of any name: no registry but our own is asked for it,
// with our login.
func (l *Launcher) builderFor(ctx context.Context, workload, image string) (string, error) {
	if !l.cfg.Images.makes(image) {
		return "", nil
	}
	jobs, err := l.kube.ofWorkload(ctx, workload)
	if err != nil {
		return "", err
	}
	var newest *batchv1.Job
	for _, job := range jobs {
		if kindOf(job) == Builder && job.Annotations[imageName] == image && (newest == nil || before(newest, job)) {
			newest = job
		}
	}
	if newest == nil || pods.Outcome(newest) == batchv1.JobComplete {
		return "", nil
	}
	if pods.Outcome(newest) == batchv1.JobFailed {
		// Another workload may have built it since.
		there, err := l.parts.Registry.Has(ctx, image)
		if there || err != nil {
			return "", err
		}
	}
	return newest.Name, nil
}

// How much of a failed build's log goes into the reason.
const (
	tailLines  = 20 // of at most 16 KiB: longer ones are several to the kubelet
	mostReason = 2 << 10
)

// buildFailure says why a build has failed, with the end of its log.
func (k *keeper) buildFailure(ctx context.Context, builder *batchv1.Job) string {
	why := "build " + builder.Name + " failed"
	if c := pods.End(builder); c != nil {
		why += ": " + c.Reason
	}
	if text := builder.Annotations[cancelled]; text != "" {
		why += " (" + text + ")"
	}
	var last *corev1.Pod
	for _, p := range k.cache.PodsOf(builder.UID) {
		if last == nil || last.CreationTimestamp.Before(&p.CreationTimestamp) {
			last = p
		}
	}
	if last == nil {
		return why
	}
	if text := strings.TrimSpace(strings.ToValidUTF8(k.tail(ctx, last), "?")); text != "" {
		why += "; its log ends:\n" + text[max(0, len(text)-mostReason):]
	}
	return why
}
