package Test::Privacy::Client;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# HTTP/1.1 on a raw socket, nothing helped and nothing hidden: one connection, kept between requests. Options of new:
# peer ("HOST:PORT"), from (a source address in 127.0.0.0/8), timeout (10 s).

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);


sub new {
    my ($class, %options) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => $options{peer}, Proto => 'tcp', Timeout => 5,
        $options{from} ? (LocalAddr => $options{from}) : (),
    ) or die "connect to $options{peer}: $!";

    return bless { timeout => 10, %options, socket => $socket, buffer => '' }, $class;
}


# request(METHOD, URI, headers => [NAME => VALUE, ...], body => STRING or {form}, close => 1, version => '1.1').
# Host and Content-Length are added where they are missing.
sub request {
    my ($self, $method, $uri, %options) = @_;

    $self->write(_format($self, $method, $uri, %options));
    return $self->read($method, $options{timeout});
}


sub _format {
    my ($self, $method, $uri, %options) = @_;

    my @headers = @{$options{headers} || []};
    my %has;
    for (my $i = 0; $i < @headers; $i += 2) {
        $has{lc $headers[$i]} = 1;
    }

    my $body = $options{body};
    if (ref $body) {
        $body = form(%$body);
        push @headers, 'Content-Type' => 'application/x-www-form-urlencoded' if !$has{'content-type'};
    }
    unshift @headers, Host => $self->{peer} if !$has{host};
    push @headers, 'Content-Length' => length $body if defined $body && !$has{'content-length'}
        && !$has{'transfer-encoding'};
    push @headers, Connection => 'close' if $options{close} && !$has{connection};

    my $text = "$method $uri HTTP/" . ($options{version} || '1.1') . "\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n" if defined $value;
    }
    return "$text\r\n" . ($body // '');
}


sub form {
    my (%fields) = @_;

    my @pairs;
    for my $name (sort keys %fields) {
        push @pairs, map { _escape($name) . '=' . _escape($_) } ref $fields{$name} ? @{$fields{$name}} : $fields{$name};
    }
    return join '&', @pairs;
}


sub _escape {
    my ($text) = @_;

    utf8::encode($text) if utf8::is_utf8($text);
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}


sub write {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print {$self->{socket}} $bytes;
    $self->{socket}->flush;
}


# Reads one response; complete is 0 when the connection ended or time ran out before its end.
sub read {
    my ($self, $method, $timeout) = @_;

    $self->{deadline} = time + ($timeout || $self->{timeout});
    my $r;
    do {
        $self->_until(qr/\r\n\r\n/) or return Test::Privacy::Response->failed($self->{buffer});
        $self->{buffer} =~ s/^(.*?)\r\n\r\n//s;
        $r = Test::Privacy::Response->head($1);
    } while ($r->status >= 100 && $r->status < 200 && $r->status != 101);

    return $r if ($method // '') eq 'HEAD' || $r->status == 204 || $r->status == 304;

    if (($r->header('Transfer-Encoding') // '') =~ /chunked/i) {
        $r->{complete} = $self->_chunks($r);
    } elsif (defined(my $length = $r->header('Content-Length'))) {
        $r->{complete} = $self->_until(sub { length $self->{buffer} >= $length });
        $r->{body} = substr $self->{buffer}, 0, $length, '';
    } else {
        $self->_until(sub { 0 });
        $r->{complete} = $self->{closed} || 0;
        $r->{body} = $self->{buffer};
        $self->{buffer} = '';
    }
    return $r;
}


sub _chunks {
    my ($self, $r) = @_;

    while (1) {
        $self->_until(qr/\r\n/) or return 0;
        $self->{buffer} =~ s/^([0-9a-fA-F]+)[^\r]*\r\n// or return 0;
        my $length = hex $1;
        $self->_until(sub { length $self->{buffer} >= $length + 2 }) or return 0;
        $r->{body} .= substr $self->{buffer}, 0, $length, '';
        $self->{buffer} =~ s/^\r\n// or return 0;
        push @{$r->{chunks}}, $length if $length;
        return 1 if !$length;
    }
}


# Reads until the condition (a pattern of the buffer, or a function) holds; 0 when it was closed or time ran out.
sub _until {
    my ($self, $condition) = @_;

    my $holds = ref $condition eq 'CODE' ? $condition : sub { $self->{buffer} =~ $condition };
    while (!$holds->()) {
        my $left = $self->{deadline} - time;
        return 0 if $self->{closed} || $left <= 0 || !IO::Select->new($self->{socket})->can_read($left);
        my $n = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
        $self->{closed} = 1 if !$n;
    }
    return 1;
}


sub close { CORE::close $_[0]{socket} }


package Test::Privacy::Response;

# status, reason, header(NAME) the first, headers(NAME) all, names in order, body, complete.

use strict;
use warnings;


sub head {
    my ($class, $text) = @_;

    my ($first, @lines) = split /\r?\n/, $text;
    my ($version, $status, $reason) = ($first // '') =~ m{^HTTP/(\S+) (\d{3}) ?(.*)$};
    return bless {
        version => $version, status => $status || 0, reason => $reason // '', body => '', complete => 1, head => $text,
        headers => [map { /^([^:]*):\s*(.*?)\s*$/ ? [$1, $2] : () } @lines],
    }, $class;
}


sub failed {
    my ($class, $rest) = @_;

    return bless { status => 0, reason => '', headers => [], body => $rest, complete => 0, head => '' }, $class;
}


# Of a whole response, as curl -i prints it; interim ones are skipped.
sub parse {
    my ($class, $text) = @_;

    my $r;
    do {
        $text =~ s/^(.*?)\r?\n\r?\n//s or return $class->failed($text);
        $r = $class->head($1);
    } while ($r->status >= 100 && $r->status < 200);
    $r->{body} = $text;
    return $r;
}


sub status   { $_[0]{status} }
sub reason   { $_[0]{reason} }
sub body     { $_[0]{body} }
sub complete { $_[0]{complete} }
sub as_text  { "$_[0]{head}\n\n$_[0]{body}" }


sub header {
    my ($self, $name) = @_;

    my ($value) = $self->headers($name);
    return $value;
}


sub headers {
    my ($self, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{$self->{headers}};
}


sub names { return map { $_->[0] } @{$_[0]{headers}} }


# Names of the cookies that are set (not expired), sorted; and of those that are expired.
sub cookies { return sort map { /^([^=]*)=/ ? $1 : () } grep { !_expires($_) } $_[0]->headers('Set-Cookie') }
sub expired { return sort map { /^([^=]*)=/ ? $1 : () } grep { _expires($_) } $_[0]->headers('Set-Cookie') }

sub _expires { return $_[0] =~ /;\s*Max-Age=0*(?:-\d+|0)\s*(?:;|$)/i || $_[0] =~ /;\s*Expires=[^;]*19[67]\d/i }


package Test::Privacy::Visitor;

# A browser without scripts: a cookie jar, the last page, forms. headers => [...] go with every request.

use strict;
use warnings;


sub new {
    my ($class, %options) = @_;

    return bless { headers => [], jar => {}, %options }, $class;
}


sub jar     { $_[0]{jar} }              # name => value
sub page    { $_[0]{page} }             # the last response
sub forget  { $_[0]{jar} = {} }
sub consent { my ($self) = @_; return $self->{jar}{'__Host-privacy'} // $self->{jar}{privacy} }


sub get  { my ($self, $uri, @headers) = @_; return $self->request('GET', $uri, undef, @headers) }
sub post { my ($self, $uri, $body, @headers) = @_; return $self->request('POST', $uri, $body, @headers) }


sub request {
    my ($self, $method, $uri, $body, @headers) = @_;

    my $cookies = join '; ', map { "$_=$self->{jar}{$_}" } sort keys %{$self->{jar}};
    my @all = (
        ($cookies ne '' ? (Cookie => $cookies) : ()),
        'Sec-Fetch-Site' => 'same-origin', 'Sec-Fetch-Dest' => 'document', 'Sec-Fetch-Mode' => 'navigate',
        Accept => 'text/html,application/xhtml+xml,*/*;q=0.8', @{$self->{headers}},
    );
    my %given;
    for (my $i = 0; $i < @headers; $i += 2) {
        $given{lc $headers[$i]} = 1;
    }
    while (my ($name, $value) = splice @all, 0, 2) {
        push @headers, $name => $value if !$given{lc $name};
    }

    my $client = Test::Privacy::Client->new(peer => $self->{peer}, $self->{from} ? (from => $self->{from}) : ());
    my $r = $client->request($method, $uri, headers => \@headers, body => $body, close => 1);
    $self->_keep($_) for $r->headers('Set-Cookie');
    return $self->{page} = $r;
}


sub _keep {
    my ($self, $line) = @_;

    my ($name, $value) = $line =~ /^\s*([^=;]*?)\s*=\s*([^;]*?)\s*(?:;|$)/ or return;
    if (Test::Privacy::Response::_expires($line)) {
        delete $self->{jar}{$name};
    } else {
        $self->{jar}{$name} = $value;
    }
}


# What is hidden in the first privacy form of the last page: token, return.
sub form {
    my ($self) = @_;

    my %fields;
    for my $input ($self->{page}->body =~ /<input\b[^>]*>/gi) {
        next if $input !~ /type="?hidden/i;
        my ($name) = $input =~ /name="([^"]*)"/i or next;
        my ($value) = $input =~ /value="([^"]*)"/i;
        $fields{$name} //= _unescape($value // '');
    }
    return %fields;
}


sub _unescape {
    my ($text) = @_;

    my %named = (amp => '&', lt => '<', gt => '>', quot => '"', apos => "'");
    $text =~ s/&#x([0-9a-f]+);/chr hex $1/gie;
    $text =~ s/&#(\d+);/chr $1/ge;
    $text =~ s/&(\w+);/$named{$1} \/\/ "&$1;"/ge;
    return $text;
}


# Presses a button of the banner or choices page that is on the screen: accept_all, reject_all, withdraw, or
# choose('custom', purpose => ['analytics']). The answer to the POST (a 303 when saved).
sub choose {
    my ($self, $choice, %fields) = @_;

    my $prefix = delete $fields{prefix} // '/privacy/';
    my %form = $self->form;
    return $self->post("${prefix}choices", { %form, choice => $choice, %fields });
}


1;
