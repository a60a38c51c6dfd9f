// Package api is the API server as this process reaches it: its clock, as the dates of its answers show it, the limit
// of requests to it, and the count of watches that reach it. Nothing of it survives a crash, and nothing needs to.
package api
