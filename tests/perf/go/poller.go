package main

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// A socket that the poller calls when it can be read or written.
type socket interface {
	readable(data []byte) // empty: the other side has closed
	flush()
}

// poller is an event loop of one thread.
type poller struct {
	epoll   int
	sockets map[int32]socket
	accepts map[int32]func(fd int)
	buffer  []byte
	events  []syscall.EpollEvent
	coarse  bool
}

func newPoller() *poller {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		fail("epoll: %v", err)
	}
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimer, shortestSlack, 0)
	return &poller{epoll: epoll, sockets: map[int32]socket{}, accepts: map[int32]func(int){},
		buffer: make([]byte, 1<<18), events: make([]syscall.EpollEvent, 512)}
}

const (
	epollPwait2   = 441 // epoll_pwait2(2), Linux 5.11: nanoseconds; the same number on amd64 and arm64
	prSetTimer    = 29  // prctl(PR_SET_TIMERSLACK): else timeouts are 50 us late
	shortestSlack = 1
)

// await is epoll_wait with a timeout exact enough for a fixed rate; rounded up to a millisecond on
// kernels that have none.
func (p *poller) await(timeout time.Duration) (int, error) {
	if !p.coarse {
		left := syscall.NsecToTimespec(max(timeout.Nanoseconds(), 0))
		count, _, wrong := syscall.Syscall6(epollPwait2, uintptr(p.epoll),
			uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
			uintptr(unsafe.Pointer(&left)), 0, 0)
		if wrong == 0 {
			return int(count), nil
		}
		if wrong != syscall.ENOSYS && wrong != syscall.EPERM {
			return 0, wrong
		}
		p.coarse = true
	}
	milliseconds := max(int((timeout+time.Millisecond-1)/time.Millisecond), 0)
	return syscall.EpollWait(p.epoll, p.events, milliseconds)
}

// wait handles what is ready, after at most `timeout`.
func (p *poller) wait(timeout time.Duration) {
	count, err := p.await(timeout)
	if err != nil && err != syscall.EINTR {
		fail("epoll_wait: %v", err)
	}
	for _, event := range p.events[:max(count, 0)] {
		if accept := p.accepts[event.Fd]; accept != nil {
			p.acceptAll(int(event.Fd), accept)
			continue
		}
		here := p.sockets[event.Fd]
		if here != nil && event.Events&syscall.EPOLLOUT != 0 {
			here.flush()
		}
		if event.Events&^uint32(syscall.EPOLLOUT) != 0 && p.sockets[event.Fd] == here && here != nil {
			size, err := syscall.Read(int(event.Fd), p.buffer)
			if err == syscall.EAGAIN || err == syscall.EINTR {
				continue
			}
			here.readable(p.buffer[:max(size, 0)])
		}
	}
}

func (p *poller) acceptAll(listener int, accept func(fd int)) {
	for {
		fd, _, err := syscall.Accept4(listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		accept(fd)
	}
}

func (p *poller) add(fd int, here socket) {
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	p.sockets[int32(fd)] = here
	p.control(syscall.EPOLL_CTL_ADD, fd, syscall.EPOLLIN)
}

func (p *poller) control(operation, fd int, events uint32) {
	event := syscall.EpollEvent{Events: events, Fd: int32(fd)}
	if err := syscall.EpollCtl(p.epoll, operation, fd, &event); err != nil {
		fail("epoll_ctl: %v", err)
	}
}

func (p *poller) close(fd int) {
	delete(p.sockets, int32(fd))
	syscall.Close(fd)
}

// listen binds a free port of the loopback.
func (p *poller) listen(accept func(fd int)) int {
	fd := open()
	address := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Bind(fd, address); err != nil {
		fail("bind: %v", err)
	}
	if err := syscall.Listen(fd, 1024); err != nil {
		fail("listen: %v", err)
	}
	p.accepts[int32(fd)] = accept
	p.control(syscall.EPOLL_CTL_ADD, fd, syscall.EPOLLIN)
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		fail("getsockname: %v", err)
	}
	return bound.(*syscall.SockaddrInet4).Port
}

func open() int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		fail("socket: %v", err)
	}
	syscall.SetNonblock(fd, true)
	return fd
}

// dial connects to a port of the loopback; the error is for the caller to count.
func dial(port int) (int, error) {
	fd := open()
	syscall.SetNonblock(fd, false)
	local := net.IPv4(127, 0, 0, 1).To4()
	err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte(local)})
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	syscall.SetNonblock(fd, true)
	return fd, nil
}

// writer keeps what the kernel does not take at once.
type writer struct {
	poller *poller
	fd     int
	left   []byte
}

func (w *writer) write(data []byte) {
	if len(w.left) == 0 {
		size, err := syscall.Write(w.fd, data)
		if err != nil && err != syscall.EAGAIN {
			return // the read side hears of it
		}
		data = data[max(size, 0):]
		if len(data) == 0 {
			return
		}
		w.poller.control(syscall.EPOLL_CTL_MOD, w.fd, syscall.EPOLLIN|syscall.EPOLLOUT)
	}
	w.left = append(w.left, data...)
}

func (w *writer) flush() {
	size, err := syscall.Write(w.fd, w.left)
	if err != nil && err != syscall.EAGAIN {
		return
	}
	w.left = w.left[max(size, 0):]
	if len(w.left) == 0 {
		w.left = nil
		w.poller.control(syscall.EPOLL_CTL_MOD, w.fd, syscall.EPOLLIN)
	}
}
