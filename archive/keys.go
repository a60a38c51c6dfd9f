package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FormatVersion stands in every key and in every document.
const FormatVersion = "v1"

// KeysBegin is what every key begins with.
const KeysBegin = FormatVersion + "/"

// ProbePrefix is the folder of what a probe of the store puts and takes away again.
const ProbePrefix = KeysBegin + "_probe/"

// barePods stands in the Job's place for pods without a Job. It cannot be the name of a Job.
const barePods = "_pod"

// JobPrefix is the folder of everything that is kept of the pod's Job; it ends in a slash.
func (p PodRef) JobPrefix() string {
	if p.Job == "" {
		return fmt.Sprintf("%s/%s/%s/", FormatVersion, p.Namespace, barePods)
	}
	return fmt.Sprintf("%s/%s/%s/%s/", FormatVersion, p.Namespace, p.Job, p.JobUID)
}

// Prefix is the folder of everything that is kept of the pod; it ends in a slash.
func (p PodRef) Prefix() string { return fmt.Sprintf("%s%s.%s/", p.JobPrefix(), p.Pod, p.PodUID) }

// ManifestKey is where the pod's manifest is.
func (p PodRef) ManifestKey() Key { return Key(p.Prefix() + ManifestFile) }

// JobKey is where the Job's document is.
func (p PodRef) JobKey() Key { return Key(p.JobPrefix() + JobFile) }

// LogExt ends the key of every log object.
const LogExt = ".log.zst"

// LogKey is where the instance's log object is.
func (i Instance) LogKey() Key {
	return Key(fmt.Sprintf("%s%s.%d%s", i.Prefix(), i.Container, i.Restart, LogExt))
}

// OtherLogKey is where the log object is when another log stands under LogKey: that of a replica that held less, or
// that did not die when it seemed to. The key names the text by the start of its checksum, so that two puts of it never
// meet another text.
func (i Instance) OtherLogKey(sum string) Key {
	return Key(fmt.Sprintf("%s%s.%d.%s%s", i.Prefix(), i.Container, i.Restart, sum, LogExt))
}

// DayIndexKey finds the pod's Job by the day on which it was created.
func (p PodRef) DayIndexKey(created time.Time) Key {
	return Key(fmt.Sprintf("%s%s/%s", DayPrefix, created.UTC().Format(time.DateOnly), p.IndexName()))
}

// WorkloadIndexKey finds the pod's Job by a workload's id.
func (p PodRef) WorkloadIndexKey(workload string) Key {
	return Key(WorkloadIndexFolder(workload) + p.IndexName())
}

// WorkloadIndexFolder is where the index of a workload's Jobs and pods is.
func WorkloadIndexFolder(workload string) string { return IndexPrefix + "workload/" + workload + "/" }

// podIndexKey finds the pod by a name that is not made of its Job's, as that of a pod which the Job has adopted.
func (p PodRef) podIndexKey() Key {
	return Key(fmt.Sprintf("%s%s", PodIndexFolder(p.Namespace, p.Pod), p.IndexName()))
}

// PodIndexFolder is where the index of a name of pods is.
func PodIndexFolder(namespace, pod string) string {
	return IndexPrefix + "pod/" + namespace + "/" + pod + "/"
}

// strange: the pod's name does not lead to its Job's folder.
func (p PodRef) strange() bool {
	prefixes := PodPrefixes(Target{Namespace: p.Namespace, Pod: p.Pod})
	return p.Pod != "" && !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.Prefix(), prefix) })
}

// IndexKeys are all keys by which the pod's Job is found.
func (p PodRef) IndexKeys(created time.Time, workloads []string) []Key {
	keys := []Key{p.DayIndexKey(created)}
	for _, w := range workloads {
		keys = append(keys, p.WorkloadIndexKey(w))
	}
	if p.strange() {
		keys = append(keys, p.podIndexKey())
	}
	return keys
}

// IndexName is unambiguous because a Kubernetes name may hold dots but a UID and a namespace may not.
func (p PodRef) IndexName() string {
	if p.Job == "" {
		return fmt.Sprintf("%s.%s.%s.%s", p.Namespace, barePods, p.Pod, p.PodUID)
	}
	return fmt.Sprintf("%s.%s.%s", p.Namespace, p.Job, p.JobUID)
}

// JournalPrefix is the folder of all replicas' journals.
const JournalPrefix = KeysBegin + "_journal/"

// ReplicaPrefix is the folder of one replica's journal.
func ReplicaPrefix(replica string) string { return JournalPrefix + replica + "/" }

// JournalKey is where an object of a journal is.
func JournalKey(replica string, sequence int64) Key {
	return Key(fmt.Sprintf("%s%020d", ReplicaPrefix(replica), sequence))
}

// SequenceOf returns the sequence that a key ends in, -1 where it does not.
func SequenceOf(key Key) int64 {
	n, err := strconv.ParseInt(string(key[strings.LastIndexByte(string(key), '/')+1:]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// PlainName reports whether a name from outside may be a part of a path.
func PlainName(s string) bool { return s != "" && s[0] != '.' && !strings.ContainsAny(s, "/\\\x00") }

// ParseJournalKey returns the key of a journal object from what a person types: the key itself or <replica>/<sequence>,
// where the sequence needs no zeros before it.
func ParseJournalKey(text string) (Key, error) {
	replica, number, ok := strings.Cut(strings.TrimPrefix(text, JournalPrefix), "/")
	sequence := SequenceOf(Key(number))
	if !ok || replica == "" || strings.Contains(number, "/") || sequence < 0 {
		return "", fmt.Errorf("%q is no journal object: want <replica>/<sequence>, such as epilogue-0/42, or its key, such as %s", text, JournalKey("epilogue-0", 42))
	}
	return JournalKey(replica, sequence), nil
}

// DayFolder is where the index has the Jobs of a day, below its own prefix.
func DayFolder(day string) string { return "day/" + day + "/" }

// ReplicaOf names whose journal an object is of.
func ReplicaOf(key Key) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(key), JournalPrefix), "/")
	return name
}

// PodPrefixes returns where a pod of this name may stand. A Job's pod is called after its Job, with an index and random
// letters behind. So the Job's name is the pod's less its last part, or its last two; of a Job with a long name only
// the start is there.
func PodPrefixes(t Target) []string {
	const long = 60 // bytes of a name that may be cut; at 63 it is
	folder := fmt.Sprintf("%s/%s/", FormatVersion, t.Namespace)
	var exact, cut []string
	name := t.Pod
	for range 2 {
		end := strings.LastIndexByte(name, '-')
		if end <= 0 {
			break
		}
		name = name[:end]
		exact, cut = append(exact, folder+name+"/"), append(cut, folder+name)
	}
	exact = append(exact, folder+barePods+"/"+t.Pod+".")
	if len(t.Pod) >= long {
		exact = append(exact, cut...)
	}
	return exact
}

// Folder is that of the Job, or of a pod without one.
func (p PodRef) Folder() string {
	if p.Job == "" {
		return p.Prefix()
	}
	return p.JobPrefix()
}

// SplitKey takes the key of something that is kept of a pod or a Job apart.
func SplitKey(key Key) (ref PodRef, file string, ok bool) {
	parts := strings.Split(string(key), "/")
	if len(parts) < 5 || parts[0] != FormatVersion || strings.HasPrefix(parts[1], "_") {
		return PodRef{}, "", false
	}
	ref.Namespace, file = parts[1], parts[len(parts)-1]
	var pod string
	switch {
	case parts[2] == barePods && len(parts) == 5:
		pod = parts[3]
	case parts[2] == barePods || len(parts) > 6:
		return PodRef{}, "", false
	default:
		ref.Job, ref.JobUID = parts[2], JobUID(parts[3])
		if len(parts) == 5 {
			return ref, file, true
		}
		pod = parts[4]
	}
	cut := strings.LastIndexByte(pod, '.')
	if cut <= 0 {
		return PodRef{}, "", false
	}
	ref.Pod, ref.PodUID = pod[:cut], PodUID(pod[cut+1:])
	return ref, file, true
}

// IndexPrefix is the folder of all indexes, and DayPrefix that of the one by days.
const (
	IndexPrefix = KeysBegin + "_index/"
	DayPrefix   = IndexPrefix + "day/"
)

// ParseDayIndexKey is the inverse of DayIndexKey: of a Job it returns a PodRef without a pod.
func ParseDayIndexKey(key Key) (day time.Time, ref PodRef, ok bool) {
	if !strings.HasPrefix(string(key), DayPrefix) {
		return day, ref, false
	}
	date, name := SplitDayKey(key)
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return day, ref, false
	}
	ref, err = ParseIndexName(name)
	return day, ref, err == nil
}

// SplitDayKey returns the day, in words, and the name that a key of the index by days is made of.
func SplitDayKey(key Key) (day, name string) {
	day, name, _ = strings.Cut(strings.TrimPrefix(string(key), DayPrefix), "/")
	return day, name
}

// errIndexName marks a name in an index that indexName does not make.
var errIndexName = errors.New("want <namespace>.<job>.<uid>")

// ParseIndexName is the inverse of indexName.
func ParseIndexName(name string) (PodRef, error) {
	wrong := fmt.Errorf("name in index is %q: %w", name, errIndexName)
	namespace, rest, _ := strings.Cut(name, ".")
	dot := strings.LastIndexByte(rest, '.')
	if namespace == "" || dot <= 0 || dot == len(rest)-1 || strings.Contains(name, "/") {
		return PodRef{}, wrong
	}
	owner, uid := rest[:dot], rest[dot+1:]
	pod, bare := strings.CutPrefix(owner, barePods+".")
	switch {
	case bare && pod != "":
		return PodRef{Namespace: namespace, Pod: pod, PodUID: PodUID(uid)}, nil
	case strings.HasPrefix(owner, barePods): // no Job is called so
		return PodRef{}, wrong
	}
	return PodRef{Namespace: namespace, Job: owner, JobUID: JobUID(uid)}, nil
}

// The names of documents in their folders.
const (
	ManifestFile = "manifest.json"
	JobFile      = "job.json"
)

// IsLogKey reports whether a log object stands under the key.
func IsLogKey(key Key) bool {
	_, file, ok := SplitKey(key)
	return ok && IsLogName(file)
}

// IsLogName reports whether a file of a pod's folder is a log object.
func IsLogName(file string) bool { return strings.HasSuffix(file, LogExt) }

// IsManifestKey reports whether a manifest stands under the key.
func IsManifestKey(key Key) bool { return strings.HasSuffix(string(key), "/"+ManifestFile) }

// MayBeLarge reports whether a key is one under which the archive puts what a store may take in parts: a log, a
// document or a part of a journal.
func MayBeLarge(key Key) bool {
	return strings.HasPrefix(string(key), JournalPrefix) || strings.HasPrefix(string(key), KeysBegin) &&
		(strings.HasSuffix(string(key), LogExt) || IsManifestKey(key) || strings.HasSuffix(string(key), "/"+JobFile))
}

// MessagePrefix is the folder of all messages.
const MessagePrefix = KeysBegin + "_message/"

// MessageFolders are where a namespace's messages of a workload stand: what is said elsewhere of a workload of this id
// is not listed with them. New ones go into the first; the others are of before there was a folder for each namespace.
func MessageFolders(namespace, workload string) []string {
	return []string{MessagePrefix + namespace + "/" + workload + "/", MessagePrefix + workload + "/"}
}

// MessageKey names a message by its time, so that a list is in order, and by its text, so that one that is sent again
// by somebody who did not hear the answer is the same object.
func MessageKey(namespace, workload string, at time.Time, text string) Key {
	sum := sha256.Sum256([]byte(text))
	return Key(fmt.Sprintf("%s%020d.%s.%.6x.json", MessageFolders(namespace, workload)[0], at.UnixNano(), namespace, sum))
}

// SplitMessageKey returns what a message's key says. A namespace holds no dot.
func SplitMessageKey(key Key) (namespace string, at time.Time, ok bool) {
	parts := strings.Split(string(key)[strings.LastIndexByte(string(key), '/')+1:], ".")
	if len(parts) != 4 || parts[3] != "json" {
		return "", time.Time{}, false
	}
	n, err := strconv.ParseInt(parts[0], 10, 64)
	return parts[1], time.Unix(0, n), err == nil
}
