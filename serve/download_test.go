package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestDownload: the bytes of the log object, whole and in parts, with a tag by which a client comes back for the rest.
func TestDownload(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, noise(300<<10, 1), noise(300<<10, 2))
	s.seal(usualPod, "main")
	raw, _ := s.store.Bytes(instance(usualPod, "main").LogKey())
	w := s.ask(logPath + ".zst")
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), raw) {
		t.Fatalf("got %d and %d bytes, want 200 and the object's %d", w.Code, w.Body.Len(), len(raw))
	}
	h := w.Header()
	tag := h.Get("ETag")
	if h.Get("Content-Type") != "application/zstd" || h.Get("Content-Length") != fmt.Sprint(len(raw)) || h.Get("Accept-Ranges") != "bytes" ||
		!strings.Contains(h.Get("Content-Disposition"), "run-abcde.main.0.log.zst") || tag == "" || h.Get(headerVerdict) != "complete" {
		t.Errorf("got header %v, want type, length, ranges, name, tag and verdict", h)
	}
	for _, part := range []struct {
		value string
		want  []byte
	}{{"bytes=0-9", raw[:10]}, {"bytes=-9", raw[len(raw)-9:]}, {fmt.Sprintf("bytes=%d-", len(raw)/2), raw[len(raw)/2:]}} {
		w := s.ask(logPath+".zst", "Range", part.value, "If-Range", tag)
		if w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), part.want) {
			t.Errorf("%s: got %d and %d bytes, want 206 and %d", part.value, w.Code, w.Body.Len(), len(part.want))
		}
	}
	if got := s.ask(logPath+".zst", "Range", "bytes=0-9", "If-Range", `"other"`).Code; got != http.StatusOK {
		t.Errorf("a part of another object: got %d, want all of this one", got)
	}
	if got := s.ask(logPath+".zst", "If-None-Match", tag).Code; got != http.StatusNotModified {
		t.Errorf("with the tag: got %d, want 304", got)
	}
	if got := s.ask(logPath+".zst", "Range", "bytes=99999999-").Code; got != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("behind the end: got %d, want 416", got)
	}
	before := s.faulty.Count(storetest.OpGet)
	s.ask(logPath+".zst", "Range", "bytes=-9")
	if got := s.faulty.Count(storetest.OpGet).Requests - before.Requests; got > 2 {
		t.Errorf("%d GETs for nine bytes, want one for the manifest and one for them", got)
	}
}

func TestDownloadPicksTheInstance(t *testing.T) {
	s := newShelf(t)
	m := manifestOf(usualPod)
	for restart := range 2 {
		i := instance(usualPod, "main")
		i.Restart, i.ContainerID = restart, fmt.Sprint("containerd://", restart)
		l, err := s.spool.Log(i)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(archive.Line{Time: 1, Text: []byte(fmt.Sprint("restart ", restart))}); err != nil {
			t.Fatal(err)
		}
		record, err := s.sealer.Log(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
	}
	m.Instances = append(m.Instances, archive.InstanceRecord{Instance: instance(usualPod, "side"), Verdict: archive.Lost, Reason: "evicted"})
	s.sealAs(m)
	for query, want := range map[string]string{"?container=main": "main.1", "?container=main&restart=0": "main.0"} {
		if got := s.ask(logPath + ".zst" + query).Header().Get("Content-Disposition"); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	wantStatus(t, s.ask(logPath+".zst"), http.StatusBadRequest, metav1.StatusReasonBadRequest) // which one?
	wantStatus(t, s.ask(logPath+".zst?container=main&restart=2"), http.StatusNotFound, metav1.StatusReasonNotFound)
	lost := wantStatus(t, s.ask(logPath+".zst?container=side"), http.StatusNotFound, metav1.StatusReasonNotFound)
	if !strings.Contains(lost.Message, "evicted") {
		t.Errorf("got %q, want it to say why there is none", lost.Message)
	}
}

// TestDownloadThatBreaksIsNoWholeOne: a client sees that bytes are missing.
func TestDownloadThatBreaksIsNoWholeOne(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, noise(1<<20, 1))
	s.seal(usualPod, "main")
	s.faulty.Break(storetest.Fault{Op: storetest.OpGet, Key: "*.log.zst", Times: -1, Effect: storetest.BreakBody(100<<10, nil)})
	resp := open(t, s.server().URL+logPath+".zst")
	var got bytes.Buffer
	if _, err := got.ReadFrom(resp.Body); err == nil {
		t.Errorf("got %d bytes and no error", got.Len())
	}
}

func TestManifest(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "line")
	ask := func(want string) *archive.Manifest {
		t.Helper()
		w := s.ask("/api/v1/namespaces/jobs/manifests/run-abcde")
		m, err := archive.ReadManifest(bytes.NewReader(w.Body.Bytes()))
		if err != nil || w.Header().Get("X-Manifest") != want {
			t.Fatalf("got %s, %v: %s, want a manifest that is %s", w.Header().Get("X-Manifest"), err, w.Body, want)
		}
		return m
	}
	if m := ask("open"); m.Pod.Pod != usualPod.Pod {
		t.Errorf("got %+v, want what is known so far", m)
	}
	s.seal(usualPod, "main")
	if m := ask("sealed"); len(m.Instances) != 1 || m.Instances[0].Verdict != archive.Complete {
		t.Errorf("got %+v, want the verdict", m)
	}
}
