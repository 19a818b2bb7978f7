"""HTTP/1.1 as bytes: heads judged by h11, bodies counted; nothing here touches a socket."""
