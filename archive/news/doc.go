// Package news tells readers that wait of what is new, without anybody who brings news ever waiting for one that reads
// it.
//
// It keeps nothing: whoever was not there when something was told looks for himself.
package news
