package main

import "time"

// client is one connection that asks again when it is answered, or when the pace wants it.
type client struct {
	writer
	caller *caller
	number int
	long   []byte // what it asks, if that is a long prompt
	idle   bool
	asked  time.Time
	last   time.Time
	answer answer
}

// begin dials and asks.
func (c *client) begin(events int) {
	fd, err := dial(c.caller.port)
	if err != nil {
		c.caller.wrong("dial: %v", err)
		c.asked, c.last = time.Now(), time.Now()
		return
	}
	c.writer = writer{poller: c.caller.poller, fd: fd}
	c.answer = answer{}
	c.poller.add(fd, c)
	if c.caller.pace != nil {
		c.caller.pace.done(c)
		return
	}
	c.ask(events, time.Now())
}

// ask sends a request that was due then.
func (c *client) ask(events int, due time.Time) {
	asked, kind := c.caller.again, c.caller.kind
	if c.long != nil {
		asked, kind = c.long, "whole"
	} else if events != c.caller.events {
		asked = request(kind, events, c.caller.header)
	}
	c.answer = answer{kind: kind, lax: c.caller.lax, events: events}
	c.asked, c.last = due, time.Now()
	c.write(asked)
}

func (c *client) readable(data []byte) {
	caller := c.caller
	if len(data) == 0 {
		if c.answer.begun && !c.answer.complete {
			caller.wrong("the connection ended within an answer")
		}
		c.again()
		return
	}
	now := time.Now()
	seen := c.answer.seen
	if wrong := c.answer.feed(data); wrong != "" {
		caller.wrong("%s", wrong)
		c.again()
		return
	}
	if events := c.answer.seen - seen; events > 0 {
		c.heard(now, events, seen == 0)
	}
	c.last = now
	if !c.answer.complete {
		return
	}
	if caller.counting {
		c.count(now)
	}
	if c.answer.close {
		c.again()
	} else if caller.pace != nil {
		caller.pace.done(c)
	} else {
		c.ask(caller.events, now)
	}
}

// again dials anew, unless too much went wrong.
func (c *client) again() {
	c.caller.result.Redials++
	c.poller.close(c.fd)
	if c.caller.pace != nil {
		c.caller.pace.gone(c)
	}
	if c.caller.result.Errors < mostErrors {
		c.begin(c.caller.events)
	}
}

func (c *client) count(now time.Time) {
	result := &c.caller.result
	if c.long != nil {
		result.Longs++
		return
	}
	result.Answers++
	if c.caller.kind == "whole" {
		c.caller.latencies = append(c.caller.latencies, now.Sub(c.asked))
	}
}

func (c *client) heard(now time.Time, events int, first bool) {
	caller := c.caller
	if !caller.counting {
		return
	}
	caller.result.Chunks += events
	if first {
		caller.latencies = append(caller.latencies, now.Sub(c.asked))
	} else {
		caller.gaps = append(caller.gaps, now.Sub(c.last))
	}
}
