package Fault::Readers;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Logged-in users who read notices and answer them, in a process of its own: some hold a stream of events open, as a
# browser with scripts does, some only load pages. They note what they were shown, and what they were told:
#
#     ["shown", user, id]             for the first time: in an event, or as the bar of a page
#     ["again", user, id]             twice on one stream
#     ["answered", user, id, answer]  the answer was acknowledged, or is known when it is asked for again
#     ["opened", user]                a stream was opened
#
# A stream that ends is opened again after a part of the time that the server asked for, with Last-Event-ID.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Test::Privacy::Client;

my $json = JSON::PP->new->utf8;


# peers: nodes, in turn; journal: the file; streams, pages: how many users there are of each.
sub new {
    my ($class, %options) = @_;

    open my $journal, '>', $options{journal} or die "$options{journal}: $!";
    $journal->autoflush(1);
    my $self = bless { %options, journal => $journal, select => IO::Select->new, by_socket => {} }, $class;
    my @kinds = (('stream') x $options{streams}, ('page') x $options{pages});
    $self->{users} = [map { { name => "u$_", kind => $kinds[$_], peer => $options{peers}[$_ % @{$options{peers}}],
        jar => { sessionid => "u$_" }, shown => {}, answers => {}, next => 0, last => '' } } 0 .. $#kinds];
    return $self;
}


# Until TERM.
sub read {
    my ($self) = @_;

    my $ended = 0;
    local $SIG{TERM} = sub { $ended = 1 };
    local $SIG{PIPE} = 'IGNORE';
    srand $$;

    while (!$ended) {
        for my $user (@{$self->{users}}) {
            $self->_answer($user, $_) for grep { $user->{answers}{$_} <= time } keys %{$user->{answers}};
            next if $user->{next} > time || $user->{socket};
            $user->{kind} eq 'page' ? $self->_load($user) : $self->_open($user);
        }
        $self->_take($self->{by_socket}{$_}) for $self->{select}->can_read(0.02);
    }
}


# A page, in which the application says who it is.
sub _load {
    my ($self, $user) = @_;

    $user->{next} = time + 0.2 + rand 0.2;
    my $r = $self->_request($user, 'GET', '/');
    $user->{bound} = time if $r && $r->status == 200;
    return if !$r || $user->{kind} ne 'page';

    my ($bar) = $r->body =~ m{(<section id="privacy-notice".*?</section>)}s or return;
    my ($id) = $bar =~ /data-notice="(\w+)"/;
    my %fields = $bar =~ /<input type="hidden" name="(\w+)" value="([^"]*)"/g;
    $self->_shown($user, $id);
    my $answer = $id =~ /^v/ ? 'agree' : 'acknowledge';
    my $done = $self->_request($user, 'POST', "/privacy/notices/$id/ack", Test::Privacy::Client::form(%fields,
        answer => $answer), 'Content-Type' => 'application/x-www-form-urlencoded');
    if ($done && $done->status == 303) {
        $self->_note('answered', $user->{name}, $id, $answer);
    } else {
        # it may be known, although nobody was left to say so: then no page shows it again
        $user->{answers}{$id} = time + 0.5;
    }
}


sub _open {
    my ($self, $user) = @_;

    $user->{next} = time + 0.5 + rand 0.5;
    $self->_load($user) if time - ($user->{bound} || 0) > 60;
    my $socket = IO::Socket::INET->new(PeerAddr => $user->{peer}, Timeout => 2) or return;
    print $socket join "\r\n", 'GET /privacy/events HTTP/1.1', "Host: $user->{peer}", 'Accept: text/event-stream',
        'Sec-Fetch-Site: same-origin', 'Cookie: ' . _cookies($user), $user->{last} ? "Last-Event-ID: $user->{last}" : (),
        '', '';
    $socket->flush;
    $socket->blocking(0);
    @$user{qw(socket buffer text once)} = ($socket, '', undef, {});
    $self->{select}->add($socket);
    $self->{by_socket}{$socket} = $user;
}


# What came on a stream: the head, chunks, and in them whole events.
sub _take {
    my ($self, $user) = @_;

    my $n = sysread $user->{socket}, $user->{buffer}, 65536, length $user->{buffer};
    return if !defined $n && $!{EAGAIN};

    if (!defined $user->{text} && $user->{buffer} =~ s/^(.*?)\r\n\r\n//s) {
        my $head = $1;
        if ($head !~ m{^HTTP/1.1 200 }) {
            # 204, or 503: nobody is logged in as far as this node knows, or it ends
            $user->{bound} = 0;
            return $self->_end($user);
        }
        $user->{text} = '';
        $self->_note('opened', $user->{name});
    }
    while (defined $user->{text} && $user->{buffer} =~ /^([0-9a-f]+)\r\n/i
        && length $user->{buffer} >= hex($1) + length($1) + 4)
    {
        substr $user->{buffer}, 0, length($1) + 2, '';
        $user->{text} .= substr $user->{buffer}, 0, hex $1, '';
        substr $user->{buffer}, 0, 2, '';
    }
    if (defined $user->{text}) {
        $self->_event($user, $1) while $user->{text} =~ s/^(.*?)\n\n//s;
    }
    $self->_end($user) if !$n;
}


sub _end {
    my ($self, $user) = @_;

    $self->{select}->remove($user->{socket});
    delete $self->{by_socket}{$user->{socket}};
    close delete $user->{socket};
    $user->{next} = time + ($user->{retry} || 3) / 8;
}


sub _event {
    my ($self, $user, $text) = @_;

    my %field = map { /^(id|event|data|retry): ?(.*)$/ ? ($1 => $2) : () } split /\n/, $text;
    $user->{retry} = $field{retry} / 1000 if $field{retry};
    $user->{last} = $field{id} if defined $field{id};
    return if ($field{event} // '') ne 'notice';

    my $id = $json->decode($field{data})->{id};
    $self->_note('again', $user->{name}, $id) if $user->{once}{$id}++;
    $self->_shown($user, $id);
}


sub _shown {
    my ($self, $user, $id) = @_;

    return if $user->{shown}{$id}++;
    $self->_note('shown', $user->{name}, $id);
    $user->{answers}{$id} = time + rand 2 if $user->{kind} eq 'stream';
}


# As the panel does: the notice with a token first, then the answer.
sub _answer {
    my ($self, $user, $id) = @_;

    $user->{answers}{$id} = time + 1;
    my $r = $self->_request($user, 'GET', "/privacy/notices/$id", undef, Accept => 'application/json');
    my $notice = $r && $r->status == 200 ? eval { $json->decode($r->body) } : undef;
    return if !$notice;
    if (!$notice->{due}) {
        # it was answered, and the worker that should have said so was killed; or a newer change was
        delete $user->{answers}{$id};
        return $self->_note('answered', $user->{name}, $id, $notice->{answer} // 'newer');
    }
    my $answer = $id !~ /^v/ ? 'acknowledge' : rand > .5 ? 'agree' : 'decline';
    $r = $self->_request($user, 'POST', "/privacy/notices/$id/ack", $json->encode({ answer => $answer,
        token => $notice->{token} }), 'Content-Type' => 'application/json', Accept => 'application/json');
    return if !$r || $r->status != 200;
    delete $user->{answers}{$id};
    $self->_note('answered', $user->{name}, $id, $answer);
}


sub _request {
    my ($self, $user, $method, $uri, $body, @headers) = @_;

    my $client = eval { Test::Privacy::Client->new(peer => $user->{peer}, timeout => 5) } or return;
    my %headers = ('Sec-Fetch-Site' => 'same-origin', Accept => 'text/html', 'Accept-Language' => 'en',
        Cookie => _cookies($user), @headers);
    my $r = eval { $client->request($method, $uri, body => $body, close => 1, headers => [%headers]) };
    return if !$r || !$r->complete || !$r->status;
    for ($r->headers('Set-Cookie')) {
        my ($name, $value) = /^([^=]+)=([^;]*)/ or next;
        $value eq '' ? delete $user->{jar}{$name} : ($user->{jar}{$name} = $value);
    }
    return $r;
}


sub _cookies { my ($user) = @_; return join '; ', map { "$_=$user->{jar}{$_}" } sort keys %{$user->{jar}} }


sub _note {
    my ($self, @what) = @_;

    print {$self->{journal}} $json->encode(\@what) . "\n";
}


1;
