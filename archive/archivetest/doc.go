// Package archivetest is what the tests of archive's packages share: fixtures that are put together from several of
// them.
//
// A Replica has a spool and seals; a Life has a journal, too, and takes over; a Shelf has a store and a reader instead.
// The store is that of storetest in memory, which refuses what no store may be asked for. A Life or a Replica that is
// made on the folder of another one is the process after a crash: nothing of the one before is closed. Oracle answers
// queries in the plainest way, for comparison.
//
// What is here fails the test itself, unless it returns an error for the test to look at. Nothing here sleeps outside
// of a synctest bubble. Only tests import it. linetest is for those that archivetest imports.
package archivetest
