package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// answer reads one HTTP/1.1 answer, however it is cut, and compares each byte of its body; if it is
// lax, only the texts in it, since some proxies write JSON anew.
type answer struct {
	kind     string
	lax      bool
	body     []byte // that was not looked at, if lax
	events   int    // of a stream, as asked for
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
	if a.complete && a.lax {
		return a.lacks()
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
	if a.lax {
		a.look(piece)
		return rest, ""
	}
	for len(piece) > 0 {
		expected := a.expected()
		size := min(len(piece), len(expected))
		if size == 0 || !bytes.Equal(piece[:size], expected[:size]) {
			return nil, fmt.Sprintf("the body differs after %d bytes: %.60q", a.offset, piece)
		}
		a.offset += size
		piece = piece[size:]
	}
	if a.kind != "whole" {
		a.seen = min(a.offset/eventBytes, a.events)
	}
	return rest, ""
}

// look finds the events' texts, each after the one before it.
func (a *answer) look(piece []byte) {
	a.body = append(a.body, piece...)
	for a.kind != "whole" && a.seen < a.events {
		at := bytes.Index(a.body, fmt.Appendf(nil, " word%05d", a.seen))
		if at < 0 {
			return
		}
		a.body = a.body[at+1:]
		a.seen++
	}
}

// lacks is what is not in a complete body, else "".
func (a *answer) lacks() string {
	if a.seen < a.events && a.kind != "whole" {
		return fmt.Sprintf("event %d is not in the answer", a.seen)
	}
	last := string(streamEnd[:12])
	if a.kind == "whole" {
		last = wholeText
	}
	if !bytes.Contains(a.body, []byte(last)) {
		return fmt.Sprintf("the answer lacks %.40q: %.60q", last, a.body)
	}
	return ""
}

// expected is what comes at the offset, up to a border.
func (a *answer) expected() []byte {
	if a.kind == "whole" {
		return wholeBody[min(a.offset, len(wholeBody)):]
	}
	if events := a.events * eventBytes; a.offset >= events {
		return streamEnd[min(a.offset-events, len(streamEnd)):]
	}
	return streamBody[a.offset : a.events*eventBytes]
}

func (a *answer) size() int {
	if a.kind == "whole" {
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
