package config

import (
	"errors"
	"slices"

	"github.com/spf13/pflag"
)

// readOnly are the settings of whoever only reads the archive.
var readOnly = []string{"archive", "s3-endpoint", "s3-region", "s3-path-style", "s3-ca-file", "store-timeout"}

// BindArchive declares the settings that say where the archive is, for a program that reads it and follows nothing.
func BindArchive(fs *pflag.FlagSet) *Source {
	table := slices.DeleteFunc(settings(), func(s setting) bool { return !slices.Contains(readOnly, s.name) })
	for i := range table {
		if table[i].name == "archive" {
			table[i].help = "Read the archive itself, also when daemon or cluster is gone: s3://bucket/prefix or file:///directory."
		}
	}
	return bind(fs, table)
}

// LoadArchive is Load for what BindArchive declared. Where no archive is named the Archive is empty, and that is no
// error.
func (s *Source) LoadArchive(lookup func(string) (string, bool)) (Archive, S3, error) {
	l := &loading{table: s.table, found: map[string]found{}, wrong: map[string]bool{}}
	l.readFlags(s.flags)
	l.readEnv(lookup)
	l.setAll()
	l.resolve()
	return l.config.Archive, l.config.S3, errors.Join(l.faults...)
}
