// Package deploy holds what is installed: the Helm chart, and a small S3 server for trying it. Its tests render the chart;
// they need helm and so the tag e2e.
package deploy
