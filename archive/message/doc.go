// Package message keeps lines that somebody adds to a workload's log besides what its containers write, and gives them
// back. ZenML says in such lines where its own work on a run stands.
//
// A message is one object, named by its time and text: sent again it is the same one, and a crash loses one that nobody
// was told is kept.
package message
