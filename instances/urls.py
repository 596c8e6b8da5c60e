from django.urls import path

from instances import views

urlpatterns = [
    path("register", views.RegisterView.as_view(), name="register"),
    path("activate", views.ActivateView.as_view(), name="activate"),
]
