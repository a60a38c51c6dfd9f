// Package deploy holds what is installed: the Helm chart with what is generated from it, and a small S3 server for
// trying it. Most of its tests render the chart; they need helm and so the tag e2e.
package deploy
