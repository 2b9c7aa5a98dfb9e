package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// answer reads one HTTP/1.1 answer, however it is cut, and compares each byte of its body.
type answer struct {
	kind     string
	events   int // of a stream, as asked for
	begun    bool
	seen     int // events that are complete
	complete bool
	close    bool
	head     []byte
	inBody   bool
	chunked  bool
	left     int // of the body, or of the chunk
	offset   int // in the body
	line     []byte
	chunk    int // 0: size line, 1: data, 2: CRLF after it, 3: the end's CRLF
}

// feed takes more bytes; what is wrong with them, else "".
func (a *answer) feed(data []byte) string {
	a.begun = true
	if !a.inBody {
		if len(a.head) > 0 {
			a.head = append(a.head, data...)
			data = a.head
		}
		end := bytes.Index(data, headEnd)
		if end < 0 {
			a.head = append(a.head[:0], data...)
			return ""
		}
		if wrong := a.readHead(data[:end+2]); wrong != "" {
			return wrong
		}
		data = data[end+4:]
	}
	for len(data) > 0 && !a.complete {
		var wrong string
		if a.chunked {
			data, wrong = a.dechunk(data)
		} else {
			data, wrong = a.take(data)
			a.complete = a.left == 0
		}
		if wrong != "" {
			return wrong
		}
	}
	if len(data) > 0 {
		return "bytes came after the answer"
	}
	if a.complete && a.offset != a.size() {
		return fmt.Sprintf("the body has %d bytes instead of %d", a.offset, a.size())
	}
	return ""
}

func (a *answer) readHead(head []byte) string {
	lower := bytes.ToLower(head)
	if !bytes.HasPrefix(lower, []byte("http/1.1 200")) {
		return "status: " + strings.SplitN(string(head), "\r\n", 2)[0]
	}
	a.inBody = true
	a.close = bytes.Contains(lower, []byte("\r\nconnection: close"))
	a.chunked = bytes.Contains(lower, []byte("\r\ntransfer-encoding: chunked"))
	a.left = number(lower, lengthName)
	if !a.chunked && a.left < 0 {
		return "the answer has no length"
	}
	if !a.chunked && a.left == 0 {
		return "the answer is empty"
	}
	return ""
}

func (a *answer) dechunk(data []byte) ([]byte, string) {
	switch a.chunk {
	case 0, 3:
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			a.line = append(a.line, data...)
			return nil, ""
		}
		line := data[:end]
		if len(a.line) > 0 {
			line = append(a.line, line...)
			a.line = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if a.chunk == 3 {
			a.complete = len(line) == 0
			return data[end+1:], ""
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return nil, fmt.Sprintf("a chunk's size is %.40q", line)
		}
		a.left = int(size)
		a.chunk = 1
		if size == 0 {
			a.chunk = 3
		}
		return data[end+1:], ""
	case 1:
		data, wrong := a.take(data)
		if a.left == 0 {
			a.chunk, a.left = 2, 2
		}
		return data, wrong
	}
	size := min(len(data), a.left)
	a.left -= size
	if a.left == 0 {
		a.chunk = 0
	}
	return data[size:], ""
}

// take compares as much as belongs to the body or the chunk.
func (a *answer) take(data []byte) ([]byte, string) {
	piece := data[:min(len(data), a.left)]
	rest := data[len(piece):]
	a.left -= len(piece)
	for len(piece) > 0 {
		expected := a.expected()
		size := min(len(piece), len(expected))
		if size == 0 || !bytes.Equal(piece[:size], expected[:size]) {
			return nil, fmt.Sprintf("the body differs after %d bytes: %.60q", a.offset, piece)
		}
		a.offset += size
		piece = piece[size:]
	}
	if a.kind == "stream" {
		a.seen = min(a.offset/eventBytes, a.events)
	}
	return rest, ""
}

// expected is what comes at the offset, up to a border.
func (a *answer) expected() []byte {
	if a.kind != "stream" {
		return wholeBody[min(a.offset, len(wholeBody)):]
	}
	if events := a.events * eventBytes; a.offset >= events {
		return streamEnd[min(a.offset-events, len(streamEnd)):]
	}
	return streamBody[a.offset : a.events*eventBytes]
}

func (a *answer) size() int {
	if a.kind != "stream" {
		return len(wholeBody)
	}
	return a.events*eventBytes + len(streamEnd)
}

// cpu is this process's CPU seconds.
func cpu() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	seconds := usage.Utime.Sec + usage.Stime.Sec
	return float64(seconds) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}
