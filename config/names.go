package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

func namespace(text string) (string, error) {
	if len(validation.IsDNS1123Label(text)) > 0 {
		return "", errors.New("want the name of one namespace: up to 63 lower-case letters, digits and hyphens, such as zenml-workload-manager")
	}
	return text, nil
}

func serviceAccount(text string) (string, error) {
	if len(validation.IsDNS1123Subdomain(text)) > 0 {
		return "", errors.New("want the name of a service account: lower-case letters, digits, hyphens and dots, such as zenml-workload-manager")
	}
	return text, nil
}

func labelSelector(text string) (string, error) {
	sel, err := labels.Parse(text)
	if err != nil {
		return "", fmt.Errorf("want a label selector such as app=zenml,tier!=test (%s)", oneLine(err.Error()))
	}
	return sel.String(), nil
}

// labelKeys takes label keys separated by commas, at least one.
func labelKeys(text string) ([]string, error) {
	var keys []string
	for key := range strings.SplitSeq(text, ",") {
		key = strings.TrimSpace(key)
		if len(validation.IsQualifiedName(key)) > 0 {
			return nil, fmt.Errorf("want label keys separated by commas, such as epilogue.dev/workload-id; %q is none", key)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func classPath(text string) (string, error) {
	ok, _ := regexp.MatchString(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$`, text)
	if !ok {
		return "", errors.New("want a dotted class path such as zenml_cloud_plugins.kubernetes_workload_manager.KubernetesWorkloadManager")
	}
	return text, nil
}

func region(text string) (string, error) {
	if ok, _ := regexp.MatchString(`^[a-z0-9][a-z0-9-]*$`, text); !ok {
		return "", errors.New("want the name of an AWS region, such as eu-central-1")
	}
	return text, nil
}

// registry takes what stands before "/name:tag" in an image's name.
func registry(text string) (string, error) {
	const example = "such as 339712793861.dkr.ecr.eu-central-1.amazonaws.com or registry.example.com/zenml"
	if strings.Contains(text, "://") {
		return "", errors.New("want a registry without a scheme, " + example)
	}
	ok, _ := regexp.MatchString(`^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`, text)
	if !ok {
		return "", errors.New("want a registry as host[:port][/path] without a tag or a slash at its end, " + example)
	}
	return text, nil
}

func image(text string) (string, error) {
	const example = "such as registry.example.com/zenml/zenml:0.93.0"
	if strings.Contains(text, "://") {
		return "", errors.New("want an image without a scheme, " + example)
	}
	name := regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)
	if !name.MatchString(text) {
		return "", errors.New("want an image as [registry/]name[:tag][@sha256:digest], " + example)
	}
	return text, nil
}

// archiveURL takes s3://bucket/prefix and file:///directory.
func archiveURL(text string) (Archive, error) {
	switch scheme, rest, found := strings.Cut(text, "://"); {
	case !found && bucketName(text):
		return Archive{}, fmt.Errorf("want a URL; if this is a bucket's name, write s3://%s or s3://%s/prefix", text, text)
	case found && scheme == "s3":
		return bucketURL(rest)
	case found && scheme == "file":
		return directoryURL(rest)
	case strings.HasPrefix(text, "/"):
		return Archive{}, fmt.Errorf("want a URL; for a directory write file://%s", text)
	default:
		return Archive{}, errors.New("want s3://bucket/prefix or file:///directory")
	}
}

// bucketURL takes what follows s3://. The prefix loses the slashes at its ends, so that two spellings are one archive.
func bucketURL(rest string) (Archive, error) {
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !bucketName(bucket) {
		return Archive{}, errors.New("want s3://bucket/prefix with a bucket's name of 3 to 63 lower-case letters, digits, dots and hyphens")
	}
	prefix = strings.Trim(prefix, "/")
	if prefix != "" && path.Clean("/"+prefix) != "/"+prefix {
		return Archive{}, fmt.Errorf("want a prefix without empty, . or .. parts, such as s3://%s%s", bucket, path.Clean("/"+prefix))
	}
	if strings.ContainsFunc(prefix, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`?#\`, r) }) {
		return Archive{}, errors.New("want a prefix without spaces, control characters, ?, # or backslash, such as s3://bucket/run-logs")
	}
	return Archive{Bucket: bucket, Prefix: prefix}, nil
}

func directoryURL(rest string) (Archive, error) {
	dir := strings.TrimPrefix(rest, "localhost")
	if !strings.HasPrefix(dir, "/") {
		return Archive{}, fmt.Errorf("want an absolute path after file://, such as file:///%s", strings.TrimPrefix(path.Clean("/"+rest), "/"))
	}
	return Archive{Dir: path.Clean(dir)}, nil
}

func bucketName(text string) bool {
	ok, _ := regexp.MatchString(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`, text)
	return ok && !strings.Contains(text, "..")
}

// endpointURL refuses credentials in the URL: they would be printed and logged with it.
func endpointURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "", errors.New("want a URL such as https://minio.example.com:9000")
	case u.User != nil:
		return "", errors.New("want a URL without user and password; credentials come from the AWS chain, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("want a URL without ? and #, such as https://minio.example.com:9000")
	}
	return strings.TrimRight(text, "/"), nil
}
