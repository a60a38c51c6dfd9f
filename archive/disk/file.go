package disk

import (
	"encoding/json"
	"os"

	"github.com/epilogue-dev/epilogue/archive/format"
)

// WriteJSON writes a small document whole or not at all.
func WriteJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return WriteFile(path, b)
}

// WriteFile writes a small file whole or not at all: under another name first, then renamed.
func WriteFile(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// ReadJSON reads a document into v.
func ReadJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// Overwrite writes a file whose bytes nobody needs, and takes no new room where it had as many.
func Overwrite(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.WriteAt(text, 0); err == nil {
		err = file.Truncate(int64(len(text)))
	}
	return format.Closing(file, err)
}
