// Package human writes and reads what people do: numbers of bytes, spans of
// time and percentages.
package human
