// Package process is what a process owes to its machine and to whoever runs it: its log, the bounds of its memory, an
// end when it is asked for one, the report of a crash, and last words. It knows nothing of what the process does.
//
// Nothing here is needed for the logs of Jobs to be safe: what is killed or crashes goes on from its spool. The head of
// a crash report that a killed process leaves is written over by the next start.
package process
