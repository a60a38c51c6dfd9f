// Package logql is the query language of Loki's read API, as far as the archive answers it: it parses a query and
// evaluates it over entries that the caller gives. It knows nothing of HTTP, of the store or of Kubernetes.
//
// What it promises: a query gives what Loki would give for the same lines, or an error. What is not understood is a
// *SyntaxError with its line and column, never left out in silence. It holds nothing between queries and writes
// nothing.
//
// Memory: entries stream through. A log query holds what it gives; a metric query holds counters for each series and
// step. Both have ceilings that name themselves when met.
package logql
