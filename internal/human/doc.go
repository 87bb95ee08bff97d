// Package human reads and writes as people do: numbers of bytes, spans of time,
// percentages, and words with a typing error in them.
package human
