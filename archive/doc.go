// Package archive has the words of everything that is kept: instances and pods, lines and gaps, manifests and Jobs'
// documents, the keys of the store in both directions (keys.go, and nowhere else), questions and answers, and the
// contract of a Store. It knows nothing of Kubernetes and imports nothing of ours: package watch brings lines and facts
// in, and says when an instance has ended.
//
// It owns no goroutine and no file. What is done with the words is done in the packages below it, each of which may use
// what stands to its right:
//
//	read → find → journal → spool → format → archive ← s3, dir, measured
//	  └→ sieve ──────────────────────┘        seal, takeover, retention beside journal; patient under all three
//
// Promise of all of them together: a line that Append has taken is in the sealed log exactly once and in the order in
// which it was appended, and what could not be had is written down as a Gap. What survives a crash of the process:
// every line that was flushed. Lines after that are read again from the kubelet, and the overlap check of package watch
// finds out if that is no longer possible. What survives the loss of the disk: what is sealed, and what is in the
// journal, from which another replica goes on.
package archive
