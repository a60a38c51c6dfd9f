package config

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// tried are the settings that a trial has. All others keep their defaults, but for those of harmless.
var tried = []string{"kubeconfig", "namespace", "selector", "archive"}

// harmless is how a trial differs from the daemon's defaults: it holds nothing, deletes nothing, shares with nobody and
// answers nobody.
var harmless = map[string]string{
	"cleanup": "false", "gate": string(GateNever), "lease-duration": "0", "api-listen": "off", "launcher": "false", "log-format": "text",
}

// TryFolder is where a trial archives when nothing else is said, below the working directory.
const TryFolder = "epilogue-archive"

// BindTry declares the settings of a trial, which is run by hand: they come from flags alone, so that no variable that
// is meant for a daemon sends it elsewhere.
func BindTry(fs *pflag.FlagSet) *Source {
	table := tryTable()
	for _, s := range table {
		if slices.Contains(tried, s.name) {
			fs.VarPF(&flagText{text: s.def, kind: s.kind}, s.name, map[string]string{"namespace": "n"}[s.name], s.help)
		}
	}
	return &Source{flags: fs, table: table}
}

// tryTable is the whole table in the words of a trial.
func tryTable() []setting {
	table := settings()
	for i := range table {
		s := &table[i]
		if text, ok := harmless[s.name]; ok {
			s.def = text
		}
		switch s.name {
		case "kubeconfig":
			s.help = "Kubeconfig file; without one what kubectl would use: $KUBECONFIG, ~/.kube/config or, in a pod, its service account."
		case "namespace":
			s.help = "Namespace whose Jobs are shown and archived; without one that of the kubeconfig's context, or else default."
		case "archive":
			s.kind, s.def = "folder", "./"+TryFolder
			s.help = "Folder of the archive, as a path or as file:///directory; it is made where it is missing, and gone on with where it is not."
			s.set = field(func(c *Config) *Archive { return &c.Archive }, archiveFolder)
		}
	}
	return table
}

// LoadTry is Load for what BindTry declared. The namespace may be empty: the kubeconfig has one.
func (s *Source) LoadTry() (Config, error) {
	l := &loading{table: s.table, found: map[string]found{}, wrong: map[string]bool{}}
	for _, name := range tried {
		if f := s.flags.Lookup(name); f.Changed {
			l.offer(name, found{text: f.Value.String(), from: origin{layer: "flag", name: "--" + name}})
		}
	}
	l.setAll()
	l.resolve()
	if len(l.faults) > 0 {
		return Config{}, errors.Join(l.faults...)
	}
	l.config.effective = l.effective()
	return l.config, nil
}

// archiveFolder takes a path, or file:///directory.
func archiveFolder(text string) (Archive, error) {
	switch scheme, rest, found := strings.Cut(text, "://"); {
	case found && scheme == "file":
		return directoryURL(rest)
	case found:
		return Archive{}, fmt.Errorf("want a folder, such as ./%s or file:///tmp/%s; a trial needs no bucket, and an installation takes one", TryFolder, TryFolder)
	case text == "":
		return Archive{}, fmt.Errorf("want a folder, such as ./%s", TryFolder)
	}
	whole, err := filepath.Abs(text)
	if err != nil {
		return Archive{}, fmt.Errorf("want a folder: %w", err)
	}
	return Archive{Dir: path.Clean(whole)}, nil
}
