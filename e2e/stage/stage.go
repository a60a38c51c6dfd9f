package stage

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/s3"
)

const (
	// Bucket is where the daemon keeps its archive.
	Bucket = "archive"
	// Prefix is the archive's folder in it.
	Prefix = "logs"
	// Release is the Helm release, and so the name of the daemon's Deployment.
	Release = "epilogue"

	// AccessKey is the one of deploy/s3/s3.yaml.
	AccessKey = "epilogue"
	// SecretKey goes with it.
	SecretKey = "not-a-secret"

	installTimeout = 2 * time.Minute
)

// Config names a Stage.
type Config struct {
	Namespace string   // of the daemon and of S3; the Jobs run in Namespace + "-jobs"
	Values    []string // for the chart, in the form of helm --set
	File      string   // path of a values file for the chart; "": none
	// Path, in the repository, of the chart as helm renders it, applied in the chart's place; "": helm installs.
	Rendered string
	Profile  string // the security profile that the namespace of the Jobs enforces; "": restricted
}

// Stage is a daemon at work, with its S3 server and a namespace for Jobs. Its methods may be called at once.
type Stage struct {
	Tools
	Namespace string
	Jobs      string // the namespace that the daemon watches
	Endpoint  string // URL of S3 from here
	Client    kubernetes.Interface
	Store     archive.Store
	forward   *Forward
	values    []string
	file      string
	rendered  string
}

// Open installs what is missing and returns when the daemon is ready.
func Open(ctx context.Context, tools Tools, cfg Config) (*Stage, error) {
	s := &Stage{Tools: tools, Namespace: cfg.Namespace, Jobs: cfg.Namespace + "-jobs", values: cfg.Values, file: cfg.File, rendered: cfg.Rendered}
	var err error
	if s.Client, err = tools.Client(); err != nil {
		return nil, err
	}
	for name, profile := range map[string]string{s.Namespace: "restricted", s.Jobs: cmp.Or(cfg.Profile, "restricted")} {
		if err := s.namespace(ctx, name, profile); err != nil {
			return nil, err
		}
	}
	if err := s.install(ctx); err != nil {
		// What keeps it from becoming ready is in the pods and their Events.
		var state strings.Builder
		s.Dump(&state)
		return nil, fmt.Errorf("install: %w\n%s", err, state.String())
	}
	if s.forward, err = s.Forward(ctx, "service/s3", 7070); err != nil {
		return nil, err
	}
	s.Endpoint = "http://" + s.forward.Address
	return s, s.openStore(ctx)
}

// Client returns one for the cluster of the kubeconfig.
func (t Tools) Client() (kubernetes.Interface, error) {
	rest, err := clientcmd.BuildConfigFromFlags("", t.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	rest.QPS, rest.Burst = 100, 200
	return kubernetes.NewForConfig(rest)
}

// namespace makes a namespace that admits only pods of the profile. One that is on its way out is waited for.
func (s *Stage) namespace(ctx context.Context, name, profile string) error {
	wanted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": profile, "epilogue.dev/stage": s.Namespace,
	}}}
	return await(ctx, "namespace "+name, func() (bool, error) {
		got, err := s.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = s.Client.CoreV1().Namespaces().Create(ctx, wanted, metav1.CreateOptions{})
			return err == nil, err
		}
		return err == nil && got.DeletionTimestamp == nil, err
	})
}

// install applies S3's manifest and installs the chart, as a user would.
func (s *Stage) install(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	text, err := os.ReadFile(filepath.Join(s.root, "deploy/s3/s3.yaml"))
	if err != nil {
		return err
	}
	manifest := strings.Replace(string(text), "image: epilogue-versitygw", "image: "+s.S3Image, 1)
	if _, err := s.kubectl(ctx, manifest, "-n", s.Namespace, "apply", "-f", "-"); err != nil {
		return err
	}
	// A connection that is made before the node knows the Service goes wherever the node's own network sends it, and
	// the daemon's client keeps one that something there answers. Once the server is ready the node has known it for a
	// while.
	if _, err := s.kubectl(ctx, "", "-n", s.Namespace, "rollout", "status", "deployment/s3", "--timeout=60s"); err != nil {
		return err
	}
	if s.rendered != "" {
		return s.applyRendered(ctx)
	}
	return s.Upgrade(ctx, s.values...)
}

// applyRendered is Upgrade where there is no helm: the file names the image epilogue:dev.
func (s *Stage) applyRendered(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.root, s.rendered))
	if err != nil {
		return err
	}
	const image = `"epilogue:dev"`
	if !strings.Contains(string(text), image) {
		return fmt.Errorf("%s names no image %s", s.rendered, image)
	}
	if _, err := s.kubectl(ctx, strings.ReplaceAll(string(text), image, s.Image), "apply", "-f", "-"); err != nil {
		return err
	}
	_, err = s.kubectl(ctx, "", "-n", s.Namespace, "rollout", "status", "deployment/"+Release, "--timeout=100s")
	return err
}

// openStore opens the bucket through the forward, with the keys in the environment, where the store's client looks.
func (s *Stage) openStore(ctx context.Context) (err error) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	s.Store, err = s3.Open(ctx, s3.Config{Bucket: Bucket, Prefix: Prefix, Region: "us-east-1", Endpoint: s.Endpoint})
	return err
}

// Close ends what Open started here. What is in the cluster stays.
func (s *Stage) Close() { s.forward.Close() }
