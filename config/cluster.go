package config

// LoadCluster is Load for a command that only deals with the cluster: it wants nothing but the settings of the groups
// Kubernetes and Replicas, and dry-run. All others keep their zero values, be they set or wrong or missing.
func (s *Source) LoadCluster(lookup func(string) (string, bool)) (Config, error) {
	l := &loading{table: s.table, found: map[string]found{}, wrong: map[string]bool{}}
	for _, x := range s.table {
		wanted := x.group == groupKubernetes || x.group == groupReplica || x.name == "dry-run" || x.name == "config"
		l.wrong[x.name] = !wanted
	}
	return l.load(s.flags, lookup)
}
