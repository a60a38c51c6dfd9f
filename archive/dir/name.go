package dir

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
)

// maxName bounds a file name. File systems allow 255 bytes; a pod's segment in a key can be longer than that.
const maxName = 240

// path returns the file of a key, below the root. Each segment of the key becomes a file name that keeps readable what
// is readable: bytes that a name cannot hold, "%" and a leading dot are written as %XX, so no key reaches out of the
// root nor into the folder of unfinished files. A name that would be too long goes on in a folder whose name ends in a
// bare "%", which no other name does.
func path(key archive.Key) (string, error) {
	var names []string
	for segment := range strings.SplitSeq(string(key), "/") {
		if segment == "" {
			return "", fmt.Errorf("key %q has an empty segment, want segments of one byte or more between single slashes", key)
		}
		names = append(names, nameOf(segment)...)
	}
	return filepath.Join(names...), nil
}

// nameOf returns the file names for one segment, in the order of their folders.
func nameOf(segment string) []string {
	var names []string
	var name strings.Builder
	for i := range len(segment) {
		if name.Len()+len("%XX") > maxName {
			names = append(names, name.String()+"%")
			name.Reset()
		}
		name.WriteString(escape(segment[i], name.Len() == 0))
	}
	return append(names, name.String())
}

func escape(c byte, first bool) string {
	if c < ' ' || c == 0x7f || c == '%' || first && c == '.' {
		return fmt.Sprintf("%%%02X", c)
	}
	return string([]byte{c})
}

// segmentOf returns back what nameOf made the name of. cont says that the name goes on in the folder of this name.
func segmentOf(name string) (segment string, cont bool) {
	name, cont = strings.CutSuffix(name, "%")
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		var c byte
		if name[i] == '%' && i+2 < len(name) {
			if n, _ := fmt.Sscanf(name[i+1:i+3], "%02X", &c); n == 1 {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String(), cont
}
